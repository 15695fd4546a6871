"""The options that benchmarks.step and benchmarks.ops share, and the settings that these options make on both sides."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dcgan.errors import UserError
from dcgan.options import integer
from gpunet import backend, kernels
from gpunet.backend import PRECISIONS
from gpunet.kernels.loader.machine import why_no_gpu


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the shared options to a command line."""
    add = parser.add_argument
    add("--device", default="cpu", choices=("cpu", "cuda"), help="device to measure on, cpu or cuda (default cpu)")
    add("--precision", choices=PRECISIONS, help="rounding of products on cuda (default: tf32 where the GPU has it)")
    add("--markdown", action="store_true", help="print Markdown tables")
    add("--json", metavar="FILE", type=new_file, help="write everything to this file")


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of an option that takes a whole number of at least `least`."""
    kind = integer(least)

    def number(text: str) -> int:
        try:
            return kind(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return number


def new_file(text: str) -> str:
    """Return the path of a file that can be written. It is the type of --json: a measurement is not to be lost."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"got {text}, which is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"got {text}, expected a file in a folder that is there: make {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"got {text}, expected a folder that may be written to: permission denied")
    return text


def without_torch(command: str, error: ImportError) -> None:
    """End a command that needs PyTorch with one line, unless it is asked for its help alone."""
    if not {"-h", "--help"} & set(sys.argv):
        sys.exit(f"benchmarks.{command} compares with PyTorch ({error}): pip install 'gpunet[torch]'")


def prepare(options: argparse.Namespace) -> None:
    """Give PyTorch our number of threads, and both sides the same precision of products.

    Raises UserError where the device is missing, or cannot multiply in this precision.
    """
    import torch

    require_device(options)
    torch.set_num_threads(kernels.threads())
    if options.precision:
        backend.use_precision(options.precision)
    if options.device == "cuda":
        allowed = backend.precision("cuda") != "fp32"  # with bf16 and fp16, what autocast leaves in float32 may be tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cudnn.benchmark = True


def require_device(options: argparse.Namespace) -> None:
    """Raise UserError where CuPy finds no GPU for --device cuda, and for a precision that the CPU does not have."""
    if options.device == "cpu" and options.precision not in (None, "fp32"):
        raise UserError(f"--precision: got {options.precision} with --device cpu, expected fp32, or --device cuda")
    if options.device == "cuda":
        try:
            backend.to_device(np.zeros(1, "float32"), "cuda")
        except Exception as error:  # CuPy missing, no driver, no GPU: each raises a class of its own
            raise UserError(f"--device cuda: {why_no_gpu(error)}") from error
        with backend.use_precision(options.precision) if options.precision else contextlib.nullcontext():
            try:
                backend.precision("cuda")
            except RuntimeError as error:
                raise UserError(f"--precision: {error}") from error
