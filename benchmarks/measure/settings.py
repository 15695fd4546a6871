"""The options that benchmarks.step and benchmarks.ops share, and the settings that these options make on both sides."""

from __future__ import annotations

import argparse
import sys

from gpunet import backend, kernels
from gpunet.backend import PRECISIONS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the shared options to a command line."""
    add = parser.add_argument
    add("--device", default="cpu", choices=("cpu", "cuda"), help="device to measure on, cpu or cuda (default cpu)")
    add("--precision", choices=PRECISIONS, help="rounding of products on cuda (default: tf32 where the GPU has it)")
    add("--markdown", action="store_true", help="print Markdown tables")
    add("--json", metavar="FILE", help="write everything to this file")


def without_torch(command: str, error: ImportError) -> None:
    """End a command that needs PyTorch with one line, unless it is asked for its help alone."""
    if not {"-h", "--help"} & set(sys.argv):
        sys.exit(f"benchmarks.{command} compares with PyTorch ({error}): pip install 'gpunet[torch]'")


def prepare(options: argparse.Namespace) -> None:
    """Give PyTorch our number of threads, and both sides the same precision of products."""
    import torch

    torch.set_num_threads(kernels.threads())
    if options.precision:
        backend.use_precision(options.precision)
    if options.device == "cuda":
        allowed = backend.precision("cuda") != "fp32"  # with bf16 and fp16, what autocast leaves in float32 may be tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cudnn.benchmark = True
