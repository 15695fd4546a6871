// Winograd convolution with tiles of 4 x 4 outputs and 3 x 3 taps, 36 products instead of 144:
// kernel 5 or 6 at stride 2, kernel 3 at stride 1.
constexpr int M = 4, R = 3, T = 6;
#include "winograd.cuh"
