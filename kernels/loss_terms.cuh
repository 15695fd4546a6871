// The losses of losses.cu, whose head has the formulas: of one answer, of a lane's answers, and the means of all lanes.

constexpr int LANES = 32, LOSS = 0, ANSWER = 1;

// The column of `sums` (groups, batches * 2 * LANES) for one lane of a batch; what: LOSS or ANSWER.
__device__ int column(int batch, int what, int lane) { return (batch * 2 + what) * LANES + lane; }

// A logit's share of both sums, and `count` times its gradient.
struct Term {
    real loss, answer, gradient;
};

struct Bce {
    __device__ Term operator()(real x, real t) const {
        const real sigmoid = 1 / (1 + exp(-x));
        return {(x > 0 ? x : real(0)) - x * t + log1p(exp(-fabs(x))), sigmoid, sigmoid - t};
    }
};

// The losses whose answers are the logits themselves, by their places in FORMULAS of gpunet/backend/losses.py.
constexpr int LINEAR = 0, SQUARE = 1;

struct OfAnswers {
    int formula;

    __device__ Term operator()(real x, real t) const {
        if (formula == LINEAR) return {-t * x, x, -t};
        if (formula == SQUARE) return {(x - t) * (x - t) / 2, x, x - t};
        const real short_by = 1 - t * x;  // hinge; a NaN comes through
        return {short_by < 0 ? real(0) : short_by, x, short_by > 0 ? -t : short_by < 0 ? real(0) : short_by * 0};
    }
};

// Compute dlogits and both sums for one lane of a group of rows. targets may be null: then t = target everywhere.
// logits, targets, dlogits (batches * count)
template <class Formula>
__device__ void sums_of_group(const Formula& formula, bool whole, real* dlogits, real* sums, const real* logits,
                              const real* targets, real target, int count, int rows, int group, int rows_per_thread,
                              int batch, int lane) {
    real loss = 0, answers = 0;
    for_rows(whole, group * rows_per_thread, rows_per_thread, rows, [&](int row) {
        const int place = row * LANES + lane, i = batch * count + place;
        if (place >= count) return;
        const Term term = formula(logits[i], targets ? targets[i] : target);
        loss += term.loss;
        answers += term.answer;
        dlogits[i] = term.gradient / count;
    });
    sums[column(batch, LOSS, lane)] = loss;
    sums[column(batch, ANSWER, lane)] = answers;
}

__device__ real mean_of_lanes(const real* sums, int batch, int what, int count) {
    real sum = 0;
#pragma unroll
    for (int lane = 0; lane < LANES; ++lane) sum += sums[column(batch, what, lane)];
    return sum / count;
}

// numbers (1 + batches): the loss, then the mean answer of each batch; sums (batches * 2 * LANES)
__device__ void write_means(real* numbers, const real* sums, int batches, int count) {
    real loss = 0;
    for (int batch = 0; batch < batches; ++batch) {
        loss += mean_of_lanes(sums, batch, LOSS, count);
        numbers[1 + batch] = mean_of_lanes(sums, batch, ANSWER, count);
    }
    numbers[0] = loss;
}
