// Normal noise from a counter instead of a state (gpunet/backend/noise.py has the formulas).
//
// Thread q makes the four numbers of block q of the generator, and adds them to the elements q, q + quarter,
// q + 2 quarter and q + 3 quarter, as far as there are such. So neighbouring threads touch neighbouring elements.
// Example: 10 elements make quarter = 3; thread 1 has the elements 1, 4 and 7, thread 0 has 0, 3, 6 and 9.

constexpr int SIGMA = 0, STEP = 1, KEY = 2;  // indices in `noise`; KEY has two places

__device__ unsigned high_word(unsigned a, unsigned b) { return unsigned((unsigned long long) a * b >> 32); }

// Four words of 32 bits, x, that look random: ten rounds of Philox (Salmon et al., 2011, section 3.3).
struct Philox {
    unsigned x[4];

    __device__ Philox(unsigned block, unsigned call, unsigned step, unsigned key, unsigned second_key)
        : x{block, call, step, 0} {
#pragma unroll
        for (int round = 0; round < 10; ++round) {
            const unsigned high = high_word(0xD2511F53u, x[0]), low = 0xD2511F53u * x[0];
            const unsigned second_high = high_word(0xCD9E8D57u, x[2]), second_low = 0xCD9E8D57u * x[2];
            x[0] = second_high ^ x[1] ^ key;
            x[1] = second_low;
            x[2] = high ^ x[3] ^ second_key;
            x[3] = low;
            key += 0x9E3779B9u;
            second_key += 0xBB67AE85u;
        }
    }
    // A number in (0, 1), except that rounding may make it 1.
    __device__ real uniform(int i) const { return (real(x[i]) + real(0.5)) * real(1 / 4294967296.0); }
};

// y = x + sigma n, n normal; noise (4): sigma, step, two keys
extern "C" __global__ void add_noise(real* y, const real* x, const double* noise, int count, int quarter, int call) {
    const int q = blockIdx.x * blockDim.x + threadIdx.x;
    if (q >= quarter) return;
    const Philox philox(q, call, unsigned(noise[STEP]), unsigned(noise[KEY]), unsigned(noise[KEY + 1]));
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {  // Box & Muller: a radius and an angle make two normal numbers
        const real radius = real(noise[SIGMA]) * sqrt(-2 * log(philox.uniform(2 * pair)));
        const real angle = real(6.283185307179586) * philox.uniform(2 * pair + 1);
        const int first = q + 2 * pair * quarter, second = first + quarter;
        if (first < count) y[first] = x[first] + radius * cos(angle);
        if (second < count) y[second] = x[second] + radius * sin(angle);
    }
}
