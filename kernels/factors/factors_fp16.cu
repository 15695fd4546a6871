// Factors for the tensor cores: float16.
#include "device/half.cuh"

using Number = half;
#include "entries.cuh"
#include "sums.cuh"
