// Winograd convolution with tiles of 2 x 2 outputs and 2 x 2 taps, 9 products instead of 16: kernel 3 or 4 at stride 2.
constexpr int M = 2, R = 2, T = 3;
#include "winograd.cuh"
