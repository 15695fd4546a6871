// Convolutions of pictures in cells on tensor cores, with factors of fp16.cuh.
// forward_tf32.cu says what to read first.
#include "fp16.cuh"
#include "of_cells.cuh"
