// Cells of float16.
#include "device/factor.cuh"

using Number = half;
__device__ Number rounded(float x) { return factor_of<Number>(x); }
#include "entries.cuh"
