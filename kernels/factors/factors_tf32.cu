// Factors for the tensor cores: floats whose last 13 bits are 0 (tf32).
#include "device/half.cuh"

using Number = float;
#include "entries.cuh"
