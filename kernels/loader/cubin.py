"""Kernel files for Hopper GPUs, compiled to machine code by a call of NVRTC of our own.

CuPy compiles for the GPU's own architecture, sm_90 on a Hopper GPU. The instructions of kernels/conv2d_wgmma/ need
sm_90a, and CuPy has no option for it. What comes out is a cubin, which CuPy loads. It lies in our cache; a hash
of all that it depends on is its name.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpunet.kernels.loader import source
from gpunet.kernels.loader.machine import BuildError, cache_folder

ARCHITECTURE = "sm_90a"


def cubin(stem: str, dtype: str) -> Path:
    """Return the machine code of a file for Hopper GPUs, compiled if the cache lacks it. Raises BuildError."""
    from cupy_backends.cuda.libs import nvrtc

    from gpunet.files import write_atomically
    from gpunet.kernels.loader.cuda import options_of_nvrtc

    text, options = source.text_of(stem), (*options_of_nvrtc(dtype), f"-arch={ARCHITECTURE}")
    parts = [text, *options, str(nvrtc.getVersion()), Path(__file__).read_text("utf-8")]
    path = cache_folder() / f"{ARCHITECTURE}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}.cubin"
    if not path.is_file():
        write_atomically(path, compiled(nvrtc, stem, text, options)[0])
    return path


def compiled(nvrtc: Any, stem: str, text: str, options: Sequence[str]) -> tuple[bytes, str]:
    """Return the machine code of a source text, and what the compiler says. Raises BuildError."""
    program = nvrtc.createProgram(text, f"{stem}.cu", (), ())
    try:
        nvrtc.compileProgram(program, options)
        return whole(nvrtc.getCUBIN(program)), nvrtc.getProgramLog(program)
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program)
        raise BuildError(f"{stem}.cu does not compile ({error}, {' '.join(options)}):\n{log}") from None
    finally:
        nvrtc.destroyProgram(program)


def whole(code: bytes) -> bytes:
    """Restore the zero bytes at the end, which CuPy's getCUBIN cuts off; the driver and a disassembler need them."""
    offset, size, count = struct.unpack_from("<Q", code, 32)[0], *struct.unpack_from("<HH", code, 54)
    return code + bytes(max(0, offset + size * count - len(code)))  # ELF: the program headers come last
