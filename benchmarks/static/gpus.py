"""Published figures of GPUs: the limits of each architecture, and the peak rates of common models."""

from __future__ import annotations

from typing import NamedTuple

WARP = 32  # threads
SUB_PARTITIONS = 4  # in a multiprocessor, each with a quarter of its registers
REGISTERS = 65536  # 32-bit registers of a multiprocessor
REGISTERS_PER_THREAD = 255
REGISTER_UNIT = 256  # a warp gets registers in multiples of this


class Architecture(NamedTuple):
    """Limits of one multiprocessor (CUDA C++ Programming Guide, "Technical Specifications per Compute Capability")."""

    warps: int
    blocks: int
    shared_bytes: int
    shared_reserved: int  # bytes that the system takes for each block
    shared_unit: int  # a block gets shared memory in multiples of this many bytes


ARCHITECTURES = {
    "sm_75": Architecture(32, 16, 64 * 1024, 0, 256),  # Turing
    "sm_80": Architecture(64, 32, 164 * 1024, 1024, 128),  # Ampere, data centre
    "sm_86": Architecture(48, 16, 100 * 1024, 1024, 128),  # Ampere
    "sm_89": Architecture(48, 24, 100 * 1024, 1024, 128),  # Ada
    "sm_90": Architecture(64, 32, 228 * 1024, 1024, 128),  # Hopper
    "sm_100": Architecture(64, 32, 228 * 1024, 1024, 128),  # Blackwell, data centre
    "sm_120": Architecture(48, 24, 100 * 1024, 1024, 128),  # Blackwell
}


def blocks_per_multiprocessor(arch: str, threads: int, registers: int, shared_bytes: int) -> int:
    """Return how many blocks one multiprocessor holds at a time; 0 means that a block does not fit.

    It is the least of four limits: warps, blocks, registers and shared memory. A warp gets registers in units of 256
    from the sub-partition that runs it, so each sub-partition is filled separately. For example, 33 registers per
    thread are 1056 per warp, rounded up to 1280: a sub-partition with 16384 registers holds 12 warps.
    """
    limits = ARCHITECTURES[arch]
    warps = -(-threads // WARP)
    per_warp = _round_up(max(registers, 1) * WARP, REGISTER_UNIT)
    if registers > REGISTERS_PER_THREAD or per_warp * _round_up(warps, SUB_PARTITIONS) > REGISTERS:
        return 0
    by_registers = SUB_PARTITIONS * (REGISTERS // SUB_PARTITIONS // per_warp) // warps
    per_block = _round_up(shared_bytes + limits.shared_reserved, limits.shared_unit)
    by_shared = limits.shared_bytes // per_block if per_block else limits.blocks
    return min(limits.blocks, limits.warps // warps, by_registers, by_shared)


def occupancy(arch: str, threads: int, registers: int, shared_bytes: int) -> float:
    """Return the resident warps of a multiprocessor as a fraction of the most it can hold."""
    warps = -(-threads // WARP)
    return blocks_per_multiprocessor(arch, threads, registers, shared_bytes) * warps / ARCHITECTURES[arch].warps


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


class Gpu(NamedTuple):
    """Published peak rates of one model, dense, at boost clock, with sums in float32; 0: not in the hardware."""

    name: str
    arch: str
    multiprocessors: int
    fp32: float  # TFLOP/s of the ordinary units, fused multiply-add as two
    tf32: float  # TFLOP/s of the tensor cores; so are fp16 and bf16
    fp16: float
    bf16: float
    bandwidth: float  # GB/s of device memory
    source: str  # NVIDIA's publication

    @property
    def tf32x3(self) -> float:
        """TFLOP/s of products that take three products of tf32 each (kernels/conv2d_mma/tf32x3.cuh)."""
        return self.tf32 / 3


GPUS = (
    Gpu("T4", "sm_75", 40, 8.1, 0, 65, 0, 320, "T4 datasheet"),
    Gpu("A100 40GB", "sm_80", 108, 19.5, 156, 312, 312, 1555, "A100 datasheet"),
    Gpu("RTX 3090", "sm_86", 82, 35.6, 35.6, 71, 71, 936, "GA102 whitepaper, appendix A"),
    Gpu("L4", "sm_89", 58, 30.3, 60, 121, 121, 300, "L4 datasheet (half of the figures with sparsity)"),
    Gpu("RTX 4090", "sm_89", 128, 82.6, 82.6, 165.2, 165.2, 1008, "Ada whitepaper, appendix A"),
    Gpu("H100 SXM", "sm_90", 132, 67, 494.5, 989.5, 989.5, 3350, "H100 datasheet (half of the figures with sparsity)"),
    Gpu("H200 SXM", "sm_90", 132, 67, 494.5, 989.5, 989.5, 4800, "H200 datasheet (half of the figures with sparsity)"),
    Gpu("B200", "sm_100", 148, 75, 1100, 2250, 2250, 8000, "HGX B200 datasheet (an eighth of the board, dense)"),
    Gpu("RTX 5090", "sm_120", 170, 104.8, 104.8, 209.5, 209.5, 1792, "RTX Blackwell whitepaper, appendix A"),
)
