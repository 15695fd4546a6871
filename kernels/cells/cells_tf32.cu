// Cells of floats whose last 13 bits are 0 (tf32).
#include "device/factor.cuh"

using Number = float;
__device__ Number rounded(float x) { return factor_of<Number>(x); }
#include "entries.cuh"
