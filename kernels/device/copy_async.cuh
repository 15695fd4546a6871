// cp.async: copies from global to shared memory that run beside the arithmetic (compute capability 8.0; plain copies
// below it and on the CPU). A thread issues copies, closes a group by copy_async_commit(), and before reading waits
// until at most PENDING of its own newest groups are unfinished; then __syncthreads() shows them to the other threads.

// Copy BYTES (4, 8 or 16, both addresses aligned to it); where `valid` is false write zeros and read nothing.
template <int BYTES>
__device__ void copy_async(void* shared, const void* global, bool valid) {
#if !defined(ON_CPU) && __CUDA_ARCH__ >= 800
    const unsigned target = (unsigned) __cvta_generic_to_shared(shared);
    const int bytes = valid ? BYTES : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(target), "l"(global), "n"(BYTES), "r"(bytes)
                 : "memory");  // .ca: through the L1 cache, where overlapping patches find what they share
#else
    struct alignas(BYTES) Piece { unsigned words[BYTES / 4]; };  // copied by one instruction
    *(Piece*) shared = valid ? *(const Piece*) global : Piece{};
#endif
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
