// Convolution on the tensor cores of Hopper GPUs, of factors of fp16: conv2d.cuh.
#define FORMAT "f16"
#include "device/half.cuh"
using Number = half;
#include "conv2d.cuh"
