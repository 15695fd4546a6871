// The three passes of a convolution, each as one matrix product   out[m, n] = sum over k of a[m, k] * b[k, n].
//
//   pass         a (M x K)              b (K x N)        M         N   K           out
//   Forward      patches of x           weight           N*OH*OW   F   KH*KW*C     y
//   InputGrad    patches of dy          weight, turned   N*PH*PW   C   taps*F      dx, the pixels of one phase
//   WeightGrad   patches of x, turned   dy               KH*KW*C   F   N*OH*OW     dweight
//
// No matrix of patches is ever written; this file says where the numbers of these matrices lie. Number (m, k) of a lies
// where the Place of row m and the Place of k add up to: "patch (n, i, j) begins at this pixel" plus "tap (p, q),
// channel c lies that much further on". Where the sum is outside the image, the number is zero.
//
//   image x            #: patch (i, j) begins here, perhaps above or left of the image: the Place of the row
//   +-----------+
//   |  #--.     |      tap (p, q), channel c: the Place of the k, relative to #
//   |  |  '>*   |      *: the number, x[n, i*SH - top + p, j*SW - left + q, c]
//   +-----------+
//
// Phases. With stride (SH, SW) the pixels of the input fall into SH x SW phases, by row modulo SH and column modulo SW.
// The pixels of one phase are reached by the same taps only: p = p0, p0 + SH, p0 + 2 SH, ... Example: KH = 5, SH = 2:
// even rows (of the padded image) meet the taps 0, 2, 4 and odd rows the taps 1, 3. InputGrad takes one phase at a
// time. That is a dense convolution of stride 1 that multiplies no zeros; it reads backwards: tap number t of the phase
// comes from t pixels before.

// Loops over registers must be unrolled on the GPU, whose registers have no addresses. On the CPU these kernels run
// only in tests, slowly in any case; there, unrolling and more optimisation would only cost time in the compiler.
#ifdef ON_CPU
#pragma GCC optimize("O1")
#define UNROLL_ALL
#else
#define UNROLL_ALL _Pragma("unroll")
#endif

constexpr int VEC = 16 / sizeof(real);    // numbers in 16 bytes, the most that one instruction moves
constexpr int DEPTH = 64 / sizeof(real);  // k's of a tile: 16 floats or 8 doubles

// A k as three digits, of which `low` runs fastest:
//   Forward      channel c, column q and row p of the tap     k = (p KW + q) C + c
//   InputGrad    channel of dy, column and row of the tap among those of the phase
//   WeightGrad   column j, row i and image n of the patch     k = (n OH + i) OW + j
struct Digits {
    int low, middle, high;
};

// The order in which a sum takes its k's. A thread follows one k of each tile. It works out the digits of the first one
// by divisions; from there it goes on by additions and carries, as one counts by hand.
// Example: 5 channels, 3 columns of taps, DEPTH 16 = 1 row, 0 columns, 1 channel. k = 4 is (row 0, column 0, channel 4).
// Adding the step gives (1, 0, 5): five channels are a column, so it is (1, 1, 0), k = 20.
//
// In memory, k runs tap by tap through all channels of each. If DEPTH divides the channels, a sum takes the first DEPTH
// channels of every tap, then the next DEPTH channels of every tap, and so on. So the pixels that neighbouring patches
// share are copied again while they still are in the L1 cache.
// Example: 32 channels, 4 taps, DEPTH 16: positions 0 to 15 are tap 0, channels 0 to 15; positions 16 to 31 are tap 1,
// channels 0 to 15, which is k = 32 to 47.
struct Order {
    int lows, middles, highs;  // values of each digit
    bool by_taps;              // a sum takes DEPTH channels of every tap, and then the next ones
    Digits step;               // DEPTH as digits, for sums that take the k's in their order in memory

    // low_is_channel: the low digit counts channels.
    __device__ void set(int lows_, int middles_, int highs_, bool low_is_channel) {
        lows = max(1, lows_), middles = max(1, middles_), highs = max(1, highs_);
        by_taps = low_is_channel && lows % DEPTH == 0;
        step = digits(DEPTH);
    }
    __device__ Digits digits(int k) const { return {k % lows, k / lows % middles, k / lows / middles}; }
    __device__ Digits at(int position) const {
        if (!by_taps) return digits(position);
        const int tile = position / DEPTH, tap = tile % (middles * highs);
        return {tile / (middles * highs) * DEPTH + position % DEPTH, tap % middles, tap / middles};
    }
    // Go on to the k that is DEPTH positions later: the same one of the next tile.
    __device__ void next(Digits& k) const {
        if (by_taps) {
            if (++k.middle < middles) return;
            k.middle = 0;
            if (++k.high < highs) return;
            k.high = 0, k.low += DEPTH;
        } else {
            k.low += step.low, k.middle += step.middle, k.high += step.high;
            if (k.low >= lows) k.low -= lows, ++k.middle;
            if (k.middle >= middles) k.middle -= middles, ++k.high;
        }
    }
};

// A place in an image, or the way from one place to another. `offset` counts numbers; y and x count pixels.
struct alignas(16) Place {
    int offset, y, x;
};
__device__ Place operator+(const Place& a, const Place& b) { return {a.offset + b.offset, a.y + b.y, a.x + b.x}; }
constexpr Place NOWHERE = {0, -(1 << 29), 0};  // for rows and k's beyond the matrix: outside, whatever is added to it

// The sizes of a convolution: x (N, H, W, C), y (N, OH, OW, F), weight (KH, KW, C, F), stride, padding above and left.
struct Conv {
    int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left;
};

// Wide copies, of VEC numbers, need an aligned array and channels (or columns) that VEC divides.
__device__ bool is_wide(const real* data, int channels) {
    return channels % VEC == 0 && reinterpret_cast<size_t>(data) % 16 == 0;
}

// An array (N, H, W, C).
struct Image {
    const real* data;
    int H, W, C;
    bool wide;
    __device__ void set(const real* data_, int H_, int W_, int C_) {
        data = data_, H = H_, W = W_, C = C_, wide = is_wide(data, C);
    }
    __device__ bool holds(const Place& p) const { return unsigned(p.y) < unsigned(H) && unsigned(p.x) < unsigned(W); }
    __device__ Place at(int n, int y, int x, int c) const { return {((n * H + y) * W + x) * C + c, y, x}; }
};

// A plain matrix. All its numbers are at the pixel (0, 0).
struct Matrix {
    const real* data;
    bool wide;
    __device__ void set(const real* data_, int columns) { data = data_, wide = is_wide(data, columns); }
    __device__ bool holds(const Place& p) const { return p.y == 0; }
};

// A pass: M, N, K, the Places of a's rows and k's and of b's rows (its columns n) and k's, and where out's row m
// begins. A_ALONG_K: numbers of a that are neighbours along k are neighbours in memory; otherwise those along the rows
// are.
struct Forward {
    static constexpr bool A_ALONG_K = true, B_ALONG_K = false;
    Conv g;
    Image a;
    Matrix b;
    Order order;
    int M, N, K;

    __device__ void set(const Conv& conv, const real* x, const real* weight) {
        g = conv, a.set(x, g.H, g.W, g.C), b.set(weight, g.F), order.set(g.C, g.KW, g.KH, true);
        M = g.N * g.OH * g.OW, N = g.F, K = g.KH * g.KW * g.C;
    }

    __device__ Place patch(int n, int i, int j) const { return a.at(n, i * g.SH - g.top, j * g.SW - g.left, 0); }
    __device__ Place a_row(int m) const {
        const int j = m % g.OW, i = m / g.OW % g.OH, n = m / g.OW / g.OH;
        return patch(n, i, j);
    }
    __device__ Place a_k(const Digits& k) const {
        const int c = k.low, q = k.middle, p = k.high;
        return a.at(0, p, q, c);
    }
    __device__ Place b_row(int n) const { return {n, 0, 0}; }
    __device__ Place b_k(const Digits& k) const { return {((k.high * g.KW + k.middle) * g.C + k.low) * g.F, 0, 0}; }
    __device__ int out(int m) const { return m * N; }
};

// The patches are summed over here, so rows and k's of `a` change places.
struct WeightGrad : Forward {
    static constexpr bool A_ALONG_K = false, B_ALONG_K = false;

    __device__ void set(const Conv& conv, const real* x, const real* dy) {
        Forward::set(conv, x, dy);
        M = g.KH * g.KW * g.C, K = g.N * g.OH * g.OW, order.set(g.OW, g.OH, g.N, false);
    }
    __device__ Place a_row(int m) const { return a.at(0, m / g.C / g.KW, m / g.C % g.KW, m % g.C); }
    __device__ Place a_k(const Digits& k) const { return patch(k.high, k.middle, k.low); }
    __device__ Place b_k(const Digits& k) const { return {((k.high * g.OH + k.middle) * g.OW + k.low) * g.F, 0, 0}; }
};

struct InputGrad {
    static constexpr bool A_ALONG_K = true, B_ALONG_K = true;
    Conv g;
    Image a;
    Matrix b;
    Order order;
    int M, N, K;
    int h0, w0;                // first pixel of the phase
    int p0, q0;                // first tap that reaches the phase
    int PH, PW, TH, TW;        // pixels and taps of the phase
    int i0, j0;                // pixel of dy that tap (p0, q0) connects with pixel (h0, w0)

    __device__ void set(const Conv& conv, const real* dy, const real* weight, int phase) {
        g = conv, a.set(dy, g.OH, g.OW, g.F), b.set(weight, g.F);
        const int columns = min(g.SW, g.W);
        h0 = phase / columns, w0 = phase % columns;
        p0 = (h0 + g.top) % g.SH, q0 = (w0 + g.left) % g.SW;
        i0 = (h0 + g.top) / g.SH, j0 = (w0 + g.left) / g.SW;
        PH = (g.H - h0 + g.SH - 1) / g.SH, PW = (g.W - w0 + g.SW - 1) / g.SW;
        TH = max(0, (g.KH - p0 + g.SH - 1) / g.SH), TW = max(0, (g.KW - q0 + g.SW - 1) / g.SW);
        M = g.N * PH * PW, N = g.C, K = TH * TW * g.F, order.set(g.F, TW, TH, true);
    }
    __device__ Place a_row(int m) const {
        const int j = m % PW, i = m / PW % PH, n = m / PW / PH;
        return a.at(n, i0 + i, j0 + j, 0);
    }
    __device__ Place a_k(const Digits& k) const { return a.at(0, -k.high, -k.middle, k.low); }
    __device__ Place b_row(int c) const { return {c * g.F, 0, 0}; }
    __device__ Place b_k(const Digits& k) const {
        const int p = p0 + k.high * g.SH, q = q0 + k.middle * g.SW;
        return {(p * g.KW + q) * g.C * g.F + k.low, 0, 0};
    }
    __device__ int out(int m) const {
        const int j = m % PW, i = m / PW % PH, n = m / PW / PH;
        return ((n * g.H + h0 + i * g.SH) * g.W + w0 + j * g.SW) * N;
    }
};
