"""Choosing where and how a run computes: device, implementation, precision and convolution, as its config says."""

from __future__ import annotations

import numpy as np

from dcgan.config import Config
from dcgan.errors import UserError
from gpunet import backend


def choose_device(config: Config) -> str:
    """Switch to the config's implementation, precision and convolution; return its device, "cpu" or "cuda".

    "auto" is cuda if an array can be put there. UserError: the machine cannot do what was chosen.
    """
    if config.implementation:
        backend.use(config.implementation)
    device = _device(config)
    if config.precision:
        _use_precision(config.precision, device)
    backend.use_conv(config.conv)
    return device


def _device(config: Config) -> str:
    if config.device == "cpu":
        return "cpu"
    try:
        backend.to_device(np.zeros(1, "float32"), "cuda")
    except Exception as error:  # CuPy missing, no driver, no GPU: each raises a class of its own
        if config.device == "cuda":
            raise UserError(f"--device cuda: {error}") from error
        return "cpu"
    return "cuda"


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


def described(device: str) -> str:
    """Return the outcome of `choose_device` in words."""
    implementation = backend.implementation(device)
    precision = backend.precision(device) if implementation == "kernels" else "fp32"
    return f"device {device}, implementation {implementation}, precision {precision}"
