// Factors for the tensor cores: bfloat16.
#include "device/half.cuh"

using Number = bfloat16;
#include "entries.cuh"
#include "sums.cuh"
