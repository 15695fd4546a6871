// The input gradient of a convolution on tensor cores, with factors of fp16.cuh.
// forward_tf32.cu says what to read first.
#include "fp16.cuh"
#include "input_grad.cuh"
