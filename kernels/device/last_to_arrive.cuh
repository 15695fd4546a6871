// Finishing a sum in the launch that begins it. Each thread, or each block, leaves its part of the sum in memory and
// counts itself; the one that counts last adds up the parts, in the order in which they lie. Which one is last varies
// from run to run, the order of the additions does not: every run gives the same bits. No thread waits for another block.

// Count the calling thread. True for the last of `all` callers, which from then on sees what the others wrote before
// their calls. The counter is zero before the launch, and zero again after it.
__device__ bool last_to_arrive(int* counter, int all) {
    __threadfence();  // this thread's part reaches memory before the thread is counted
    if (atomicAdd(counter, 1) < all - 1) return false;
    __threadfence();  // reads below happen after the count
    *counter = 0;
    return true;
}

// Count the calling block, all of whose threads call this. True, for all of them, in the last of `all` blocks, which
// from then on sees what the others wrote before their calls. The counter is zero before the launch, and zero after it.
//
// The barrier orders what all threads of the block wrote before thread 0's first fence, and this fence orders it before
// thread 0's count. A fence by the other threads, before the barrier, would not do: then nothing orders the barrier
// before the count, since atomicAdd by itself orders nothing (CUDA programming guide, "Memory Consistency Model"). The
// second fence and the second barrier order the count before what the threads of the last block read.
__device__ bool last_block_to_arrive(int* counter, int all) {
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        __threadfence();
        last = atomicAdd(counter, 1) == all - 1;
        if (last) *counter = 0;
        __threadfence();
    }
    __syncthreads();
    return last;
}

// Read what another block wrote: from the L2 cache, which all blocks share. The multiprocessor's own L1 cache may hold
// older numbers.
template <class Number>
__device__ Number read_shared_by_all(const Number* from) {
#ifdef ON_CPU
    return *from;
#else
    return __ldcg(from);
#endif
}
