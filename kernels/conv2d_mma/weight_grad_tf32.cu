// The weight gradient of a convolution on tensor cores, with factors of tf32.cuh.
// forward_tf32.cu says what to read first.
#include "tf32.cuh"
#include "weight_grad.cuh"
