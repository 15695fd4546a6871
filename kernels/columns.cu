// Sums over rows: the gradient of a bias; and the bias itself.
//
// A matrix (rows, width) is read by one thread per column and few rows. The sums are one level of a tree: launched
// again on its own result until one row is left, so that no thread waits for another, no atomic is needed, every run
// adds in the same order, and rounding errors grow with the depth of the tree and not with the number of rows.
//
// Thread -> column blockIdx.y * blockDim.x + threadIdx.x, where blockDim.x divides the width; blockIdx.x -> group of
// rows_per_thread rows.

// sums[group, column] = sum of x[row, column] over the rows of the group         sums (groups, width), x (rows, width)
// for each of gridDim.z such matrices, one after another
extern "C" __global__ void column_sum(real* sums, const real* x, int rows, int width, int rows_per_thread) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x;
    real sum = 0;
    x += (long long) blockIdx.z * rows * width;
    for_rows(whole_block, blockIdx.x * rows_per_thread, rows_per_thread, rows,
             [&](int row) { sum += x[(long long) row * width + column]; });
    sums[((long long) blockIdx.z * gridDim.x + blockIdx.x) * width + column] = sum;
}

// y[row, c] += bias[c]. See for_rows_of_block; blockDim.x divides the channels.
extern "C" __global__ void add_bias(real* y, const real* bias, int rows, int channels) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const real b = bias[c];  // read once: for all the compiler knows, y may overlap it
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows,
                      [=](int row) { y[(long long) row * channels + c] += b; });
}
