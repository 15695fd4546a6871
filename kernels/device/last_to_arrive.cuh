// Finishing a sum in the launch that begins it. Each thread leaves its part of the sum in memory and counts itself; the
// thread that counts last adds up the parts, in the order in which they lie. Which thread is last varies from run to
// run, the order of the additions does not: every run gives the same bits. No thread waits for another.

// Count the calling thread. True for the last of `all` callers, which from then on sees what the others wrote before
// their calls. The counter is zero before the launch, and zero again after it. (A whole block counts itself by
// last_block_to_arrive in conv2d/product.cuh.)
__device__ bool last_to_arrive(int* counter, int all) {
    __threadfence();  // this thread's part reaches memory before the thread is counted
    if (atomicAdd(counter, 1) < all - 1) return false;
    __threadfence();  // reads below happen after the count
    *counter = 0;
    return true;
}
