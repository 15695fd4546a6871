// Finishing a sum in the launch that begins it: each thread leaves its part in memory and counts itself; the one that
// finds itself the last adds the parts, in their order and not in the order of arrival, so that every run gives the
// same bits. No thread waits for another.

// Count the calling thread. True for the last of `all` callers, which from then on sees what the others wrote before
// their calls. The counter is zero before the launch, and zero again after it.
__device__ bool last_to_arrive(int* counter, int all) {
    __threadfence();  // what this thread wrote is there before it is counted
    if (atomicAdd(counter, 1) < all - 1) return false;
    __threadfence();  // and what it reads from here on is read afterwards
    *counter = 0;
    return true;
}
