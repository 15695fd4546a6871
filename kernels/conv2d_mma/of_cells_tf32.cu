// Convolutions of pictures in cells on tensor cores, with factors of tf32.cuh.
// forward_tf32.cu says what to read first.
#include "tf32.cuh"
#include "of_cells.cuh"
