// Adam's step for one parameter, and how far an average moves (adam.cu and average.cu have the formulas; adam.cu says
// what the arrays `state` and `scaling` hold).

constexpr int LR = 0, STEP = 1, STEP_SIZE = 2, RESCALE = 3;  // indices in `state`
constexpr int SKIP = 2;                                      // index in `scaling`

struct AdamStep {
    real step_size, rescale, b1, g1, b2, g2, eps, decay;
    int mask;

    __device__ AdamStep(double step_size, double rescale, real b1, real g1, real b2, real g2, real eps, real decay)
        : step_size(step_size), rescale(rescale), b1(b1), g1(g1), b2(b2), g2(g2), eps(eps), decay(decay),
          mask(-(rescale != 0)) {}
    __device__ AdamStep(const double* state, real b1, real g1, real b2, real g2, real eps, real decay)
        : AdamStep(state[STEP_SIZE], state[RESCALE], b1, g1, b2, g2, eps, decay) {}
    // Write m and v; return the new parameter.
    __device__ real update(real* m, real* v, real param, real old_m, real old_v, real gradient) const {
        const real g = gradient + decay * param;
        const real first = b1 * old_m + g1 * g, second = b2 * old_v + g2 * g * g;
        *m = chosen(first, old_m, mask);
        *v = chosen(second, old_v, mask);
        return param - masked(step_size * first / (sqrt(second) * rescale + eps), mask);
    }
};

// The part of the way to the newest values that an average moves after so many steps; it ends at 1 - most.
__device__ real gain_of_average(double steps, double most) {
    const double decay = (1 + steps) / (10 + steps);
    return real(1 - (decay < most ? decay : most));
}
