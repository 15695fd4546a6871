// Winograd convolution with tiles of 2 x 2 outputs and 3 x 3 taps, 16 products instead of 36:
// kernel 5 or 6 at stride 2, kernel 3 at stride 1.
constexpr int M = 2, R = 3, T = 4;
#include "winograd.cuh"
