// The matrices of Toom-Cook convolution, M outputs and R taps from T = M + R - 1 products, and how they are applied.
// The file that includes this says what M, R and T are.

#ifdef ON_CPU
#define INLINE __attribute__((always_inline))
#else
#define INLINE
#endif

// The matrices, computed by the compiler from the points 0, 1, -1, 2, -2 and infinity (gpunet/backend/toom.py has the
// same in Python): A and G evaluate polynomials at the points, B interpolates.
struct Toom {
    double a[M][T], g[T][R], b[T][T];

    __device__ constexpr Toom() : a(), g(), b() {
        const double points[] = {0, 1, -1, 2, -2};
        for (int j = 0; j < T; ++j) {
            const bool infinity = j == T - 1;
            double norm = 1;
            b[j][0] = 1;  // coefficients of the product of (x - other point), built up root by root
            for (int other = 0, degree = 0; other < T - 1; ++other) {
                if (other == j) continue;
                ++degree;
                for (int c = degree; c >= 0; --c) b[j][c] = (c ? b[j][c - 1] : 0) - points[other] * b[j][c];
                if (!infinity) norm *= points[j] - points[other];
            }
            for (int i = 0; i < T; ++i)
                if (!infinity && norm < 0) b[j][i] = -b[j][i];
            double power = 1;
            for (int i = 0; i < (M > R ? M : R); ++i) {
                if (i < M) a[i][j] = infinity ? i == M - 1 : power;
                if (i < R) g[j][i] = infinity ? i == R - 1 : power / (norm < 0 ? -norm : norm);
                if (!infinity) power *= points[j];
            }
        }
    }
};

#define VALUE(i) decltype(i)::value  // inside a body, where NVRTC does not take `i` itself for a constant

// Call body(i) for i = 0 ... N - 1 with i a constant of the compiler's: no loop is left, and `if constexpr` may ask about i.
template <int I>
struct Constant {
    static constexpr int value = I;
    __device__ constexpr operator int() { return I; }
};
template <int N, int I = 0, class Body>
__device__ void each(Body body) {
    if constexpr (I < N) {
        body(Constant<I>());
        each<N, I + 1>(body);
    }
}

// out (ROWS x ROWS) = L in L^T, where L is (ROWS x COLS) and L[p][i] = Entry::at(p, i); entries that are zero cost nothing.
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

struct EntryOfA {  // (M, T)
    static __device__ constexpr double at(int i, int p) { return Toom().a[i][p]; }
};
struct EntryOfG {  // (T, R)
    static __device__ constexpr double at(int p, int u) { return Toom().g[p][u]; }
};
struct EntryOfB {  // (T, T)
    static __device__ constexpr double at(int p, int i) { return Toom().b[p][i]; }
};
template <class Entry>
struct Transposed {
    static __device__ constexpr double at(int i, int p) { return Entry::at(p, i); }
};
