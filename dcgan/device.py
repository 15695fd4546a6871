"""Choosing where and how a run computes: device, implementation, precision and convolution, as its config says."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from functools import partial

import numpy as np
from tqdm import tqdm

from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.streams import one_line, shortened
from gpunet import backend, distributed, kernels
from gpunet.backend import choices, hopper
from gpunet.kernels.loader.machine import why_no_gpu
from gpunet.layers import Conv2d, ConvTranspose2d, Layer


def choose_device(config: Config, build: bool = True) -> str:
    """Switch to the config's implementation, precision and convolution; return its device, "cpu" or "cuda".

    "auto" is cuda if an array can be put there. build: compile the kernels that the device needs and the cache lacks.
    UserError: the machine cannot do what was chosen.
    """
    if config.implementation:
        backend.use(config.implementation)
    device = _device(config)
    if build and device == "cpu" and backend.implementation(device) == "kernels":
        _build_kernels(asked=config.implementation == "kernels")
    if config.precision:
        _use_precision(config.precision, device)
    backend.use_conv(config.conv)
    if config.conv == "wgmma":
        _require_wgmma(device)
    if build and device == "cuda" and backend.implementation(device) == "kernels":
        _build_for_gpu(config)
        if config.conv == "wgmma":
            _check_wgmma(device)
    return device


def _device(config: Config) -> str:
    if config.device == "cpu":
        return "cpu"
    try:
        _take_gpu_of_rank()
        backend.to_device(np.zeros(1, "float32"), "cuda")
    except Exception as error:  # CuPy missing, no driver, no GPU: each raises a class of its own
        if config.device == "cuda":
            raise UserError(f"--device cuda: {one_line(why_no_gpu(error))}") from error
        if importlib.util.find_spec("cupy"):  # whoever installed CuPy expects the GPU
            print(f"--device auto takes the CPU: {one_line(why_no_gpu(error))}", flush=True)
        return "cpu"
    return "cuda"


def _take_gpu_of_rank() -> None:
    """Let this thread use the GPU of its rank on this machine: of three GPUs rank 0 takes the first, rank 3, too."""
    group = distributed.ranks()
    if group.size > 1:
        import cupy

        cupy.cuda.Device(group.local_rank % cupy.cuda.runtime.getDeviceCount()).use()


def _build_kernels(asked: bool) -> None:
    """Compile the kernels that the cache lacks, with progress. Where that fails, the reference runs; a line says so.

    UserError: it fails, and the kernels were asked for.
    """
    try:
        missing = kernels.unbuilt(kernels.of_training())
        if missing:
            print(f"compiling {len(missing)} kernel files for this CPU, which is done once", flush=True)
            bar = partial(tqdm, total=len(missing), unit="file", disable=None)  # None: no bar outside a terminal
            kernels.build(missing, watch=bar)
        kernels.load("adam")  # a cache folder may forbid to run what lies there
    except kernels.BuildError as error:
        reason = _in_short(error) if kernels.compiler_available() else "no C++ compiler found"
        if asked:
            raise UserError(f"--implementation kernels: {reason}") from error
        print(f"{reason}: running the NumPy reference instead of the kernels", file=sys.stderr)
        backend.use("reference")


def _build_for_gpu(config: Config) -> None:
    """Compile the kernels that the cache lacks, in parallel and with progress. UserError: a file does not compile."""
    winograd, hopper = config.conv.startswith("winograd"), config.conv == "wgmma"
    files = kernels.of_training_on_cuda([backend.precision("cuda")], winograd, hopper)
    try:
        missing = kernels.unbuilt(files, device="cuda")
        if missing:
            count = min(kernels.threads(), len(missing))
            say = f"compiling {len(missing)} kernel files for this GPU, {count} at a time, which is done once"
            print(say, flush=True)
            bar = partial(tqdm, total=len(missing), unit="file", disable=None)
            kernels.build(missing, watch=bar, device="cuda")
    except kernels.BuildError as error:
        raise UserError(f"--device cuda: {_in_short(error)}") from error


def _in_short(error: kernels.BuildError) -> str:
    return shortened(one_line(error.short), 300)


def _use_precision(name: str, device: str) -> None:
    """Multiply in this precision from here on. UserError: the device or the reference cannot."""
    if name != "fp32" and backend.implementation(device) == "reference":
        raise UserError(f"--precision: got {name}, expected fp32, in which the reference multiplies")
    try:
        with backend.use_precision(name):
            backend.precision(device)
    except RuntimeError as error:
        raise UserError(f"--precision: {error}") from error
    backend.use_precision(name)


def _require_wgmma(device: str) -> None:
    """Raise UserError where the kernels for Hopper GPUs cannot run."""
    if backend.implementation(device) == "reference":
        raise UserError("--conv wgmma: got the reference, expected --implementation kernels")
    try:
        choices.product(device, np.dtype("float32"))
    except RuntimeError as error:
        raise UserError(f"--conv wgmma: {one_line(str(error))}") from error


def _check_wgmma(device: str) -> None:
    """Compare the kernels for Hopper GPUs with the others, and say so in a line. UserError: they differ or fail."""
    try:
        print(hopper.check(backend.precision(device)), flush=True)
    except RuntimeError as error:
        raise UserError(f"--conv {shortened(one_line(str(error)), 300)}") from error


def layers_of_wgmma(nets: Iterable[Layer]) -> str:
    """Return in words how many convolutions of the networks the kernels for Hopper GPUs take."""
    layers = (layer for net in nets for layer in net.walk())
    weights = [layer.weight.data.shape for layer in layers if isinstance(layer, Conv2d | ConvTranspose2d)]
    wide = f"{sum(map(hopper.is_wide, weights))} of {len(weights)}"
    return f"wgmma takes {wide} convolutions, those with {hopper.LEAST} channels or more on both sides"


def described(device: str) -> str:
    """Return the outcome of `choose_device` in words."""
    return f"device {device}, implementation {backend.implementation(device)}, precision {precision_of(device)}"


def precision_of(device: str) -> str:
    """Return the precision in which the device multiplies; the reference does so in fp32."""
    return backend.precision(device) if backend.implementation(device) == "kernels" else "fp32"
