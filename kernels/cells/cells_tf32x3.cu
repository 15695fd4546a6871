// Cells of floats as they are (tf32x3).
#include "device/factor.cuh"

using Number = float;
__device__ Number rounded(float x) { return x; }
#include "entries.cuh"
