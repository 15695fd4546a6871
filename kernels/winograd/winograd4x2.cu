// Winograd convolution with tiles of 4 x 4 outputs and 2 x 2 taps, 25 products instead of 64:
// kernel 3 or 4 at stride 2.
constexpr int M = 4, R = 2, T = 5;
#include "winograd.cuh"
