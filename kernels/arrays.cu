// Whole arrays: fill and add, elementwise (see for_elements).

// x = value
extern "C" __global__ void fill(real* x, int count, real value) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { x[i] = value; });
}

// total += x: how gradients of several uses add up
extern "C" __global__ void add(real* total, const real* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { total[i] += x[i]; });
}
