// Softmax cross-entropy on logits x (rows, classes) against the label of each row, and its gradient, in one pass:
//
//     p = exp(x - m) / sum of exp(x - m),   m = max of x        no exponential overflows
//     losses[row] = (log(sum of exp(x - m)) - (x[label] - m)) / rows        their sum is the mean loss
//     dlogits = (p - one_hot) / rows
//
// Thread -> element: a row (for_elements in common.cuh). A label that is no class is no column, so nothing is read
// outside the row.

extern "C" __global__ void softmax_cross_entropy(real* losses, real* dlogits, const real* logits, const int* labels,
                                                 int rows, int classes) {
    const auto body = [=](int row, int label) {
        const real* x = logits + (long long) row * classes;
        real* dx = dlogits + (long long) row * classes;
        real most = x[0], sum = 0, own = 0;
        for (int k = 1; k < classes; ++k) most = x[k] > most ? x[k] : most;
        for (int k = 0; k < classes; ++k) {
            const real power = exp(x[k] - most);
            sum += power;
            own += k == label ? x[k] - most : real(0);
            dx[k] = power;
        }
        for (int k = 0; k < classes; ++k) dx[k] = (dx[k] / sum - (k == label ? real(1) : real(0))) / rows;
        losses[row] = (log(sum) - own) / rows;
    };
    for_elements(whole_block, blockIdx.x, threadIdx.x, rows, body, labels);
}
