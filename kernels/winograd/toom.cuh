// Toom-Cook convolution of one tile: the matrices A, B and G, and how they are applied to its rows and columns.
//
// M outputs of a filter with R taps come from T = M + R - 1 products (docs/convolution.md, section 5):
//
//     y = A [(G w) * (B s)]            y (M), w (R), s (T);    A (M, T), G (T, R), B (T, T)
//
// A and G evaluate polynomials at T points; row j of B is the polynomial, lowest power first, that is zero at every
// point but point j. In two dimensions each matrix acts on the columns of a tile, then on its rows. All loops have
// constant bounds and are unrolled, so a thread keeps its tile in registers. The file that includes this one defines M,
// R and T.
//
// Two taps beside three. With a 5 x 5 kernel and stride 2, even pixels meet three taps and odd pixels two. Two taps
// need only T - 1 products, and can still use the matrices for three taps:
//
//   * Multiply the two taps by (x - p), where p is one of the points: w0 + w1 x becomes
//     -p w0 + (w0 - p w1) x + w1 x^2. These three taps vanish at p, so the product of point p is zero and is left out.
//   * To undo that, divide B by (x - p). Every row of B but that of p has this factor. N is B without it.
//
// So pixels with two taps give G w(x)(x - p) and N s. Pixels with three taps give G w and B s, and B s is N applied to
// the numbers s[i + 1] - p s[i]. Either way the code is the same, and a factor (x - p) goes to the taps or to the
// signal. Example: M = 4, R = 3 has the points 0, 1, -1, 2, -2, infinity, and p = -2.

#ifdef ON_CPU
#define INLINE __attribute__((always_inline))
#else
#define INLINE
#endif

// The number of point p above: the last one before infinity. -1 for R = 2, where all pixels have as many taps.
constexpr int LAST = R == 3 ? T - 2 : -1;

// The matrices, computed by the compiler (gpunet/backend/toom.py has the same in Python). n is N; row LAST of n and of
// b are equal. `last` is p.
struct Toom {
    double a[M][T], g[T][R], b[T][T], n[T][T], last;

    __device__ constexpr Toom() : a(), g(), b(), n(), last() {
        const double points[] = {0, 1, -1, 2, -2};
        if (LAST >= 0) last = points[LAST >= 0 ? LAST : 0];
        for (int j = 0; j < T; ++j) {
            const bool infinity = j == T - 1;
            double norm = 1;
            for (int other = 0; other < T - 1 && !infinity; ++other)
                if (other != j) norm *= points[j] - points[other];
            n[j][0] = norm < 0 ? -1 : 1;
            for (int other = 0; other < T - 1; ++other)
                if (other != j && other != LAST) multiply(n[j], points[other]);
            for (int c = 0; c < T; ++c) b[j][c] = n[j][c];
            if (LAST >= 0 && j != LAST) multiply(b[j], last);
            double power = 1;
            for (int i = 0; i < (M > R ? M : R); ++i) {
                if (i < M) a[i][j] = infinity ? i == M - 1 : power;
                if (i < R) g[j][i] = infinity ? i == R - 1 : power / (norm < 0 ? -norm : norm);
                if (!infinity) power *= points[j];
            }
        }
    }

    // Multiply a polynomial, lowest power first, by (x - root).
    static __device__ constexpr void multiply(double (&polynomial)[T], double root) {
        for (int c = T - 1; c >= 0; --c) polynomial[c] = (c ? polynomial[c - 1] : 0) - root * polynomial[c];
    }
};

struct EntryOfA {  // (M, T)
    static __device__ constexpr double at(int i, int p) { return Toom().a[i][p]; }
};
struct EntryOfG {  // (T, R)
    static __device__ constexpr double at(int p, int u) { return Toom().g[p][u]; }
};
template <class Entry>
struct Transposed {
    static __device__ constexpr double at(int i, int p) { return Entry::at(p, i); }
};

// ---- loops whose index is a constant ----

// each<N>(body) calls body(i) for i = 0 ... N - 1, where each i is a type of its own and therefore a constant for the
// compiler: no loop is left, and `if constexpr` may ask about i.
template <int I>
struct Constant {
    static constexpr int value = I;
    __device__ constexpr operator int() { return I; }
};
template <int I>
__device__ Constant<I> copy_of(const Constant<I>&);  // never called: its result's type is no reference
#define VALUE(i) decltype(copy_of(i))::value  // i as a constant inside a body, where NVRTC refuses `i` itself
template <int N, int I = 0, class Body>
__device__ void each(Body body) {
    if constexpr (I < N) {
        body(Constant<I>());
        each<N, I + 1>(body);
    }
}

// ---- both axes at once, where all pixels have as many taps ----

// out (ROWS, ROWS) = L in L^T, where L is (ROWS, COLS) and L[p][i] = Entry::at(p, i). Entries that are zero cost
// nothing.
template <int ROWS, int COLS, class Entry>
__device__ void sandwich(real (&out)[ROWS][ROWS], const real (&in)[COLS][COLS], Entry) {
    real half[ROWS][COLS];  // L in
    each<COLS>([&](auto j) INLINE {
        each<ROWS>([&](auto p) INLINE {
            real sum = 0;
            each<COLS>([&](auto i) INLINE {
                constexpr real factor = Entry::at(VALUE(p), VALUE(i));
                if constexpr (factor != 0) sum += factor * in[i][j];
            });
            half[p][j] = sum;
        });
    });
    each<ROWS>([&](auto p) INLINE {
        each<ROWS>([&](auto q) INLINE {
            real sum = 0;
            each<COLS>([&](auto j) INLINE {
                constexpr real factor = Entry::at(VALUE(q), VALUE(j));
                if constexpr (factor != 0) sum += factor * half[p][j];
            });
            out[p][q] = sum;
        });
    });
}

// ---- one axis at a time, where an axis may have two taps or three ----

// The factor (x - p), or 1, of one axis:  out[i] = near * in[i] + far * in[i + 1].
// (near, far) = (1, 0) leaves the numbers as they are; (-p, 1) multiplies a signal by (x - p).
struct Axis { real near, far; };
__device__ Axis axis_with(int factor) { return {1 - factor * real(1 + Toom().last), real(factor)}; }  // factor: 1 or 0

// out[p][i] = sum over j of N[p][j] times the signal in[i][j], to which the axis' factor is applied first. One axis,
// and the result is transposed: the second call takes the other axis and turns the tile back.
__device__ void interpolate(real (&out)[T][T], const real (&in)[T][T], Axis axis) {
    each<T>([&](auto i) INLINE {
        real signal[T];
        each<T>([&](auto j) INLINE {
            if constexpr (LAST < 0) signal[j] = in[i][j];
            else if constexpr (VALUE(j) + 1 < T) signal[j] = axis.near * in[i][j] + axis.far * in[i][j + 1];
        });
        each<T>([&](auto p) INLINE {
            real sum = 0;
            each<T>([&](auto j) INLINE {
                constexpr real factor = Toom().n[VALUE(p)][VALUE(j)];
                constexpr bool as_it_is = VALUE(p) == LAST;  // this row of B has no factor (x - p)
                if constexpr (factor != 0) sum += factor * (as_it_is ? in[i][j] : signal[j]);
            });
            out[p][i] = sum;
        });
    });
}

// The adjoint of `interpolate` adds T numbers per tile to cells that lie M apart from tile to tile. Seen from one
// tile's M cells, numbers come from that tile (shift 0) and, in the first R - 1 cells, from the tile before it (shift
// 1).

// Does point p touch any of the M cells `shift` tiles further on? (B^T has zeros there for most points.)
__device__ constexpr bool reaches(int p, int shift) {
    for (int i = shift * M; i < shift * M + M && i < T; ++i)
        if (Toom().b[p][i] != 0) return true;
    return false;
}

__device__ constexpr double entry_of_n(int p, int i) { return i < 0 || i >= T ? 0 : Toom().n[p][i]; }

// Add to cells (M) what the points (T) of the tile SHIFT tiles before put there: N^T points, with the axis' factor
// transposed, cells[i] += near * sums[i] + far * sums[i - 1].
template <int SHIFT>
__device__ void spread(real (&cells)[M], const real (&points)[T], Axis axis) {
    real sums[M + 1];  // N^T points; sums[i + 1] belongs to cell i, sums[0] to the cell before the first
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

// Multiply R x R taps by the factors of both axes. STEP = -1: new[i] = near * old[i] + far * old[i - 1], the product of
// polynomials. STEP = 1: the transpose of that, for gradients.
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
