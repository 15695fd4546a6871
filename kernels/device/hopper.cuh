// Hopper GPUs (sm_90a) have instructions that earlier ones have not, and each function here is one of them: copies of
// whole boxes by the tensor memory accelerator (TMA), barriers that count bytes (mbarrier), and products of four warps
// (wgmma). No GPU has run these functions yet. The names of the PTX instructions stand in each; "PTX ISA" describes
// them.

#include "shared_address.cuh"

// A description of an array for the TMA, 128 bytes that gpunet/backend/tensor_maps.py asks the driver for.
struct alignas(64) TensorMap { unsigned long long opaque[16]; };

// ---- barriers that count -------------------------------------------------------------------------------------------
// A barrier goes through phases 0, 1, 2, ... A phase is complete when `count` arrivals have come, and all the bytes
// that these expect. A waiter names the phase by its parity: `wait(barrier, 0)` returns once phase 0 (or 2, 4, ...) is
// complete. For a barrier that is still in phase 0, the phase before counts as complete: wait(barrier, 1) returns.

__device__ void barrier_init(SharedAddress barrier, unsigned count) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
// Show initialised barriers to the TMA; __syncthreads() then shows them to the other threads.
__device__ void barriers_are_ready() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ void barrier_arrive(SharedAddress barrier) {
    asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// Arrive, and let this phase also wait for so many bytes of the TMA.
__device__ void barrier_arrive_expecting(SharedAddress barrier, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
}
__device__ bool phase_is_complete(SharedAddress barrier, unsigned parity) {  // waits a little before it says no
    unsigned complete;
    asm volatile("{ .reg .pred yes; mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 yes, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, yes; }" : "=r"(complete) : "r"(barrier), "r"(parity) : "memory");
    return complete;
}
// A wait takes microseconds. If something is wrong with the copies it would never end: then the launch fails.
__device__ void barrier_wait(SharedAddress barrier, unsigned parity) {
    for (int tries = 0; !phase_is_complete(barrier, parity); ++tries)
        if (tries == 1 << 24) __trap();
}

// ---- copies by the TMA ---------------------------------------------------------------------------------------------
// One thread starts a copy of a whole box; the barrier learns of its bytes as they arrive. What lies outside the array
// is filled with zeros, whose bytes count as well.

// The box of a tiled map with three axes that begins at (x, y, z); x is the axis without gaps.
template <class Corner>
__device__ void copy_box(SharedAddress to, const TensorMap& map, SharedAddress barrier, const Corner& at) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(to), "l"(&map), "r"(barrier), "r"(at.x), "r"(at.y),
                 "r"(at.z) : "memory");
}
// Pixels of an im2col map over (C, W, H, N), from pixel (w, h, n) of the map's bounding box on, line after line of this
// box and image after image; each is read `across` columns and `down` rows further on; channels from c on.
template <class Pixels>
__device__ void copy_pixels(SharedAddress to, const TensorMap& map, SharedAddress barrier, const Pixels& p) {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8};" ::"r"(to), "l"(&map), "r"(barrier), "r"(p.c), "r"(p.w),
                 "r"(p.h), "r"(p.n), "h"((unsigned short) p.across), "h"((unsigned short) p.down) : "memory");
}

// ---- registers -----------------------------------------------------------------------------------------------------
// A block starts with the same number of registers for each thread. A warp group may give some back, or take more of
// those that others gave back: it waits until they are there. All of its threads call this.

template <int REGISTERS>
__device__ void give_back_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS)); }
template <int REGISTERS>
__device__ void take_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS)); }

// ---- products of a warp group --------------------------------------------------------------------------------------

// Registers may be read by the products that follow, and what was written to them is finished.
__device__ void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
// The products since the last call are a group.
__device__ void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Wait until at most PENDING of the newest groups are unfinished.
template <int PENDING>
__device__ void products_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory"); }
// The compiler sees no connection between a wait and the sums: it must not read them before.
template <int COUNT>
__device__ void products_end(float (&sums)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}

// sums (64, COLUMNS) += a (64, 16) b (16, COLUMNS), factors of 16 bits in shared memory, as conv2d_wgmma/squares.cuh
// describes them; it also says which sums a thread holds. FORMAT: "bf16" or "f16".
// A_TURNED, B_TURNED: neighbours in memory lie along the rows of a, or the columns of b, not along k.
#define SUM_4(i) "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
#define SUM_16(i) SUM_4(i), SUM_4(i + 4), SUM_4(i + 8), SUM_4(i + 12)
#define REGISTERS_32                                                                                              \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "   \
    "%23, %24, %25, %26, %27, %28, %29, %30, %31"
#define REGISTERS_64                                                                                              \
    REGISTERS_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "   \
                 "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

template <bool A_TURNED, bool B_TURNED>
__device__ void multiply_group(float (&sums)[64], unsigned long long a, unsigned long long b) {
    asm volatile("{ .reg .pred add; setp.eq.u32 add, 0, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32." FORMAT "." FORMAT " {" REGISTERS_64 "}, %64, %65, "
                 "add, 1, 1, %66, %67; }" : SUM_16(0), SUM_16(16), SUM_16(32), SUM_16(48)
                 : "l"(a), "l"(b), "n"(A_TURNED), "n"(B_TURNED));
}
template <bool A_TURNED, bool B_TURNED>
__device__ void multiply_group(float (&sums)[32], unsigned long long a, unsigned long long b) {
    asm volatile("{ .reg .pred add; setp.eq.u32 add, 0, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32." FORMAT "." FORMAT " {" REGISTERS_32 "}, %32, %33, "
                 "add, 1, 1, %34, %35; }" : SUM_16(0), SUM_16(16)
                 : "l"(a), "l"(b), "n"(A_TURNED), "n"(B_TURNED));
}
