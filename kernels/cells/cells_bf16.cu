// Cells of bfloat16.
#include "device/factor.cuh"

using Number = bfloat16;
__device__ Number rounded(float x) { return factor_of<Number>(x); }
#include "entries.cuh"
