// The axes of a Toom-Cook transform one at a time, as far as phases with fewer taps than others differ in them (toom.cuh).

// What a number and its neighbour on an axis count: (1, 0), or (-p, 1) for a multiplication by (x - p). The signal has
// that factor where the weight has it not: `factor` is 1 or 0.
struct Axis { real near, far; };
__device__ Axis axis_with(int factor) { return {1 - factor * real(1 + Toom().last), real(factor)}; }

// out[p][i] = B in[i], or N in[i] as the axis has it: one axis, transposed, so that twice does both.
__device__ void interpolate(real (&out)[T][T], const real (&in)[T][T], Axis axis) {
    each<T>([&](auto i) INLINE {
        real signal[T];  // times (x - p), where N is to be B
        each<T>([&](auto j) INLINE {
            if constexpr (LAST < 0) signal[j] = in[i][j];
            else if constexpr (VALUE(j) + 1 < T) signal[j] = axis.near * in[i][j] + axis.far * in[i][j + 1];
        });
        each<T>([&](auto p) INLINE {
            real sum = 0;
            each<T>([&](auto j) INLINE {
                constexpr real factor = Toom().n[VALUE(p)][VALUE(j)];
                constexpr bool as_it_is = VALUE(p) == LAST;
                if constexpr (factor != 0) sum += factor * (as_it_is ? in[i][j] : signal[j]);
            });
            out[p][i] = sum;
        });
    });
}

// Does point p touch any of the M cells of the tile `shift` tiles on? (B^T has zeros there for most points.)
__device__ constexpr bool reaches(int p, int shift) {
    for (int i = shift * M; i < shift * M + M && i < T; ++i)
        if (Toom().b[p][i] != 0) return true;
    return false;
}

__device__ constexpr double entry_of_n(int p, int i) { return i < 0 || i >= T ? 0 : Toom().n[p][i]; }

// Add to `cells`, M of them, SHIFT tiles on, what the points of a tile put there: B^T points, or N^T points.
template <int SHIFT>
__device__ void spread(real (&cells)[M], const real (&points)[T], Axis axis) {
    real sums[M + 1];  // of N^T, for the cells from one before on
    each<M + 1>([&](auto i) INLINE {
        sums[i] = 0;
        each<T>([&](auto p) INLINE {
            constexpr real factor = VALUE(p) == LAST ? 0 : entry_of_n(VALUE(p), SHIFT * M - 1 + VALUE(i));
            if constexpr (factor != 0) sums[i] += factor * points[p];
        });
    });
    each<M>([&](auto i) INLINE {
        constexpr int cell = SHIFT * M + VALUE(i);
        if constexpr (cell < T && LAST < 0) cells[i] += sums[i + 1];
        else if constexpr (cell < T) {
            cells[i] += axis.near * sums[i + 1] + axis.far * sums[i];
            constexpr real factor = Toom().n[LAST][cell];
            if constexpr (factor != 0) cells[i] += factor * points[LAST];
        }
    });
}

__device__ constexpr bool in_range(int tap) { return tap >= 0 && tap < R; }

// Multiply R x R taps by (x - p) as the axes have it (STEP -1), or the transpose of that (STEP 1).
template <int STEP>
__device__ void multiply_taps(real (&taps)[R][R], Axis down, Axis across) {
    if constexpr (LAST >= 0) {
        real half[R][R];
        each<R>([&](auto i) INLINE {
            each<R>([&](auto j) INLINE {
                half[i][j] = down.near * taps[i][j];
                if constexpr (in_range(VALUE(i) + STEP)) half[i][j] += down.far * taps[i + STEP][j];
            });
        });
        each<R>([&](auto i) INLINE {
            each<R>([&](auto j) INLINE {
                taps[i][j] = across.near * half[i][j];
                if constexpr (in_range(VALUE(j) + STEP)) taps[i][j] += across.far * half[i][j + STEP];
            });
        });
    }
}
