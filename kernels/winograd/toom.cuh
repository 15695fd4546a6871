// The matrices of Toom-Cook convolution, M outputs and R taps from T = M + R - 1 products, and how they are applied.
// The file that includes this says what M, R and T are.

#ifdef ON_CPU
#define INLINE __attribute__((always_inline))
#else
#define INLINE
#endif

// Of three taps the last may be missing on an axis (k5 s2). Two taps w are three that vanish at a point p, after
// multiplication by (x - p); as B has (x - p) in all rows but that of p, both cancel: N = B / (x - p) does with a product
// less. LAST is that point, the last but infinity, or -1 where all phases have as many taps. docs/convolution.md, section 6.
constexpr int LAST = R == 3 ? T - 2 : -1;

// The matrices, computed by the compiler from the points 0, 1, -1, 2, -2 and infinity (gpunet/backend/toom.py has the
// same in Python): A and G evaluate polynomials at the points, B interpolates. n is b without the factor (x - LAST's point).
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

    // A polynomial, lowest power first, times (x - root).
    static __device__ constexpr void multiply(double (&polynomial)[T], double root) {
        for (int c = T - 1; c >= 0; --c) polynomial[c] = (c ? polynomial[c - 1] : 0) - root * polynomial[c];
    }
};

// Call body(i) for i = 0 ... N - 1 with i a constant of the compiler's: no loop is left, and `if constexpr` may ask about i.
template <int I>
struct Constant {
    static constexpr int value = I;
    __device__ constexpr operator int() { return I; }
};
template <int I>
__device__ Constant<I> copy_of(const Constant<I>&);  // never called: for its type, which is no reference
#define VALUE(i) decltype(copy_of(i))::value  // inside a body, where NVRTC does not take `i` itself for a constant
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
template <class Entry>
struct Transposed {
    static __device__ constexpr double at(int i, int p) { return Entry::at(p, i); }
};
