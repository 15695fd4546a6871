// Copies from global to shared memory that run beside the arithmetic: cp.async. It needs compute capability 8.0; older
// GPUs and the CPU make plain copies instead.
//
// A thread starts copies and closes a group of them by copy_async_commit(). Before it reads, it waits until at most
// PENDING of its newest groups are unfinished: with groups 1, 2, 3 and PENDING = 1, groups 1 and 2 have arrived. Then
// __syncthreads() shows them to the other threads.

#include "shared_address.cuh"

// Start to copy BYTES bytes: 4, 8 or 16, and both addresses are multiples of that. If `valid` is false, write zeros and
// read nothing.
template <int BYTES>
__device__ void copy_async(SharedAddress target, const void* global, bool valid) {
#if !defined(ON_CPU) && __CUDA_ARCH__ >= 800
    asm volatile("{ .reg .pred ignore; setp.eq.u32 ignore, %3, 0;"
                 " cp.async.ca.shared.global [%0], [%1], %2, ignore; }" ::"r"(target), "l"(global), "n"(BYTES),
                 "r"((unsigned) valid)
                 : "memory");  // .ca: through the L1 cache, where overlapping patches find shared numbers
#else
    struct alignas(BYTES) Piece { unsigned words[BYTES / 4]; };  // copied by one instruction
    Piece piece = {};
    if (valid) piece = *(const Piece*) global;
    *(Piece*) pointer_to(target) = piece;  // one store, with or without zeros: as one instruction of a warp on the GPU
#endif
}
template <int BYTES>
__device__ void copy_async(void* shared, const void* global, bool valid) {
    copy_async<BYTES>(shared_address(shared), global, valid);
}

__device__ void copy_async_commit() {
#if !defined(ON_CPU) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <int PENDING>
__device__ void copy_async_wait() {
#if !defined(ON_CPU) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}
