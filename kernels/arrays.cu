// Whole arrays: fill, add and join, elementwise (see for_elements).

// x = value
extern "C" __global__ void fill(real* x, int count, real value) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { x[i] = value; });
}

// total += x: how gradients of several uses add up
extern "C" __global__ void add(real* total, const real* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { total[i] += x[i]; });
}

// joined = a, b, c, d one after another, in words of 4 bytes. Each end is where the next begins; b, c, d may be left out.
extern "C" __global__ void join(unsigned* joined, const unsigned* a, optional const unsigned* b,
                                optional const unsigned* c, optional const unsigned* d, int end_a, int end_b, int end_c,
                                int end_d) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, end_d, [=](int i) {
        joined[i] = i < end_a ? a[i] : i < end_b ? b[i - end_a] : i < end_c ? c[i - end_b] : d[i - end_c];
    });
}
