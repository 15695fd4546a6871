// Labels beside the features: each sample's class is appended to its pixels as one-hot channels; and the backward pass.
//
// x (rows, channels), y (rows, wide), wide = channels + classes, labels (samples), where rows = samples * pixels.
// Thread -> element: channel j of some rows (for_rows_of_block in common.cuh).

// Number j of each row, before it is known whether j is a feature or a label.
struct Joined {
    const real* x;
    const int* labels;
    int j, channels, pixels;

    __device__ real operator[](int row) const {
        const bool feature = j < channels;
        const real one_hot = labels[row / pixels] == j - channels ? real(1) : real(0);
        return feature ? x[(long long) row * channels + (feature ? j : 0)] : one_hot;
    }
};

// y[row, j] = x[row, j] for j < channels, else 1 where j - channels is the label of the row's sample, else 0
extern "C" __global__ void join_labels(real* y, const real* x, const int* labels, int rows, int channels, int wide,
                                       int pixels) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x;
    const Column<real> to{y + j, wide};
    const auto body = [=](int row, real number) { to[row] = number; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body,
                      Joined{x, labels, j, channels, pixels});
}

// dx[row, j] = dy[row, j] for j < channels: the labels' channels get no gradient
extern "C" __global__ void join_labels_backward(real* dx, const real* dy, int rows, int channels, int wide) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x;
    const Column<real> to{dx + j, channels};
    const auto body = [=](int row, real number) { to[row] = number; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body, Column<const real>{dy + j, wide});
}

// Each sample's number among those of the classes (samples, classes); 0 where its label is none of the classes.
struct Picked {
    const real* x;
    const int* labels;
    int classes;

    __device__ real operator[](int sample) const {
        const int label = labels[sample];
        const bool known = label >= 0 && label < classes;
        const real number = x[(long long) sample * classes + (known ? label : 0)];
        return known ? number : real(0);
    }
};

// y[n] = x[n, labels[n]]
extern "C" __global__ void pick_label(real* y, const real* x, const int* labels, int samples, int classes) {
    const Column<real> to{y, 1};
    const auto body = [=](int sample, real number) { to[sample] = number; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, samples, body, Picked{x, labels, classes});
}

// A gradient by the number of each sample's own class, seen from class k: 0 for every other class.
struct OfClass {
    const real* dy;
    const int* labels;
    int k;

    __device__ real operator[](int sample) const { return labels[sample] == k ? dy[sample] : real(0); }
};

// dx[n, k] = dy[n] where k = labels[n], else 0
extern "C" __global__ void pick_label_backward(real* dx, const real* dy, const int* labels, int samples, int classes) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x;
    const Column<real> to{dx + k, classes};
    const auto body = [=](int sample, real number) { to[sample] = number; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, samples, body, OfClass{dy, labels, k});
}
