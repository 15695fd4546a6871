// Labels beside the features: each sample's class is appended to its pixels as one-hot channels; and the backward pass.
//
// x (rows, channels), y (rows, wide), wide = channels + classes, labels (samples), where rows = samples * pixels.
// Thread -> element: channel j of some rows (for_rows_of_block in common.cuh).

// y[row, j] = x[row, j] for j < channels, else 1 where j - channels is the label of the row's sample, else 0
extern "C" __global__ void join_labels(real* y, const real* x, const int* labels, int rows, int channels, int wide,
                                       int pixels) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x;
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, [=](int row) {
        const bool feature = j < channels;
        const real one_hot = labels[row / pixels] == j - channels ? real(1) : real(0);
        y[(long long) row * wide + j] = feature ? x[(long long) row * channels + (feature ? j : 0)] : one_hot;
    });
}

// dx[row, j] = dy[row, j] for j < channels: the labels' channels get no gradient
extern "C" __global__ void join_labels_backward(real* dx, const real* dy, int rows, int channels, int wide) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x;
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, [=](int row) {
        dx[(long long) row * channels + j] = dy[(long long) row * wide + j];
    });
}
