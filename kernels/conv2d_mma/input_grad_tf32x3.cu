// The input gradient of a convolution on tensor cores, with factors of tf32x3.cuh.
// forward_tf32.cu says what to read first.
#include "tf32x3.cuh"
#include "input_grad.cuh"
