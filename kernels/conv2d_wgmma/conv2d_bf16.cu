// Convolution on the tensor cores of Hopper GPUs, of factors of bfloat16: conv2d.cuh.
#define FORMAT "bf16"
#include "device/half.cuh"
using Number = bfloat16;
#include "conv2d.cuh"
