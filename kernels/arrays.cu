// Whole arrays: fill and join, elementwise (see for_elements in common.cuh).

// x = value
extern "C" __global__ void fill(real* x, int count, real value) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { x[i] = value; });
}

struct Parts {  // a, b, c and d as one array
    const unsigned *a, *b, *c, *d;
    int end_a, end_b, end_c;

    __device__ unsigned operator[](int i) const {
        return i < end_a ? a[i] : i < end_b ? b[i - end_a] : i < end_c ? c[i - end_b] : d[i - end_c];
    }
};

// joined = a, b, c and d one after another, in words of 4 bytes. end_a is where a ends and b begins, and so on; end_d
// is the length of the whole. b, c and d may be left out. Example: a of 3 words and b of 2 have the ends 3, 5, 5, 5.
extern "C" __global__ void join(unsigned* joined, const unsigned* a, optional const unsigned* b,
                                optional const unsigned* c, optional const unsigned* d, int end_a, int end_b, int end_c,
                                int end_d) {
    const auto body = [=](int i, unsigned word) { joined[i] = word; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, end_d, body, Parts{a, b, c, d, end_a, end_b, end_c});
}
