// The three passes of a convolution, each as one matrix product   out[m, n] = sum over k of a[m, k] * b[k, n].
//
//   pass         a (M x K)              b (K x N)        M         N   K           out
//   Forward      patches of x           weight           N*OH*OW   F   KH*KW*C     y
//   InputGrad    patches of dy          weight, turned   N*PH*PW   C   taps*F      dx, the pixels of one phase
//   WeightGrad   patches of x, turned   dy               KH*KW*C   F   N*OH*OW     dweight
//
// No matrix of patches is ever written: this page only says where its numbers lie. All of them lie where a row and a
// column add up to: "patch n, i, j begins at this pixel" + "tap p, q, channel c is that much further on". So a row and
// a k are each a Place, their sum is the number's Place, and outside the image there is a zero.
//
//   image x            patch (i, j) begins here, perhaps above or left of the image: Place of the row
//   +-----------+
//   |  #--.     |      tap (p, q), channel c: Place of the k, relative
//   |  |  '>*   |      *: the number, x[n, i*SH - top + p, j*SW - left + q, c]
//   +-----------+
//
// Polyphase: with stride (SH, SW) the input's pixels fall into SH x SW phases by (row, column) modulo the stride, and
// the pixels of a phase are reached by the same taps p = a, a + SH, a + 2 SH ... only. InputGrad takes one phase at a
// time: a dense convolution of stride 1, read backwards (tap t lies t pixels before), which multiplies no zeros.

// Loops over registers must be unrolled on the GPU, whose registers have no addresses. On the CPU, where these kernels
// run slowly at any rate, that and more than a little optimisation would only keep the compiler busy.
#ifdef ON_CPU
#pragma GCC optimize("O1")
#define UNROLL_ALL
#else
#define UNROLL_ALL _Pragma("unroll")
#endif

constexpr int VEC = 16 / sizeof(real);    // numbers in 16 bytes, the most that one instruction moves
constexpr int DEPTH = 64 / sizeof(real);  // k's that are multiplied at a time: 16 floats, 8 doubles

// The order in which a sum takes its k's. As they lie: tap by tap, all channels of each. But if DEPTH divides the
// channels, DEPTH channels of each tap in turn, then the next DEPTH channels: what neighbouring patches share is then
// copied again while it still is in the L1 cache.
__device__ int in_order(int k, int channels, int taps) {
    const int tile = k / DEPTH;
    return channels % DEPTH ? k : tile % taps * channels + tile / taps * DEPTH + k % DEPTH;
}

// A place in an image, or the way from one place to another: `offset` counts numbers, y and x pixels.
struct alignas(16) Place {
    int offset, y, x;
};
__device__ Place operator+(const Place& a, const Place& b) { return {a.offset + b.offset, a.y + b.y, a.x + b.x}; }
constexpr Place NOWHERE = {0, -(1 << 29), 0};  // of rows and k's beyond the matrix: outside whatever is added

struct Conv {
    int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left;
};

// An array (N, H, W, C); a plain matrix is an image of one pixel.
struct Image {
    const real* data;
    int H, W, C;
    __device__ bool holds(const Place& p) const { return unsigned(p.y) < unsigned(H) && unsigned(p.x) < unsigned(W); }
    __device__ Place at(int n, int y, int x, int c) const { return {((n * H + y) * W + x) * C + c, y, x}; }
};

struct Forward {
    static constexpr bool A_ALONG_K = true, B_ALONG_K = false;  // is a row contiguous in memory, or else a k?
    Conv g;
    Image a, b;
    int M, N, K;

    __device__ void set(const Conv& conv, const real* x, const real* weight) {
        g = conv, a = {x, g.H, g.W, g.C}, b = {weight, 1, 1, g.F};
        M = g.N * g.OH * g.OW, N = g.F, K = g.KH * g.KW * g.C;
    }

    __device__ Place a_row(int m) const {
        const int j = m % g.OW, i = m / g.OW % g.OH, n = m / g.OW / g.OH;
        return a.at(n, i * g.SH - g.top, j * g.SW - g.left, 0);
    }
    __device__ Place tap(int k) const {
        const int c = k % g.C, q = k / g.C % g.KW, p = k / g.C / g.KW;
        return a.at(0, p, q, c);
    }
    __device__ int in_order(int k) const { return ::in_order(k, g.C, g.KH * g.KW); }
    __device__ Place a_k(int k) const { return tap(in_order(k)); }
    __device__ Place b_row(int n) const { return {n, 0, 0}; }
    __device__ Place b_k(int k) const { return {in_order(k) * g.F, 0, 0}; }
    __device__ int out(int m) const { return m * N; }
};

// The same two matrices, but now the patches are summed over: rows and k's change places.
struct WeightGrad : Forward {
    static constexpr bool A_ALONG_K = false, B_ALONG_K = false;

    __device__ void set(const Conv& conv, const real* x, const real* dy) {
        Forward::set(conv, x, dy);
        M = g.KH * g.KW * g.C, K = g.N * g.OH * g.OW;
    }
    __device__ Place a_row(int m) const { return tap(m); }
    __device__ Place a_k(int k) const { return Forward::a_row(k); }
    __device__ Place b_k(int k) const { return {k * g.F, 0, 0}; }
};

struct InputGrad {
    static constexpr bool A_ALONG_K = true, B_ALONG_K = true;
    Conv g;
    Image a, b;
    int M, N, K;
    int h0, w0;                // first pixel of the phase
    int p0, q0;                // first tap that reaches it
    int PH, PW, TH, TW;        // pixels and taps of the phase
    int i0, j0;                // dy's pixel that tap (p0, q0) of pixel (h0, w0) comes from

    __device__ void set(const Conv& conv, const real* dy, const real* weight, int phase) {
        g = conv, a = {dy, g.OH, g.OW, g.F}, b = {weight, 1, 1, g.F};
        const int columns = min(g.SW, g.W);
        h0 = phase / columns, w0 = phase % columns;
        p0 = (h0 + g.top) % g.SH, q0 = (w0 + g.left) % g.SW;
        i0 = (h0 + g.top) / g.SH, j0 = (w0 + g.left) / g.SW;
        PH = (g.H - h0 + g.SH - 1) / g.SH, PW = (g.W - w0 + g.SW - 1) / g.SW;
        TH = max(0, (g.KH - p0 + g.SH - 1) / g.SH), TW = max(0, (g.KW - q0 + g.SW - 1) / g.SW);
        M = g.N * PH * PW, N = g.C, K = TH * TW * g.F;
    }
    __device__ Place a_row(int m) const {
        const int j = m % PW, i = m / PW % PH, n = m / PW / PH;
        return a.at(n, i0 + i, j0 + j, 0);
    }
    __device__ Place a_k(int k) const {
        k = in_order(k, g.F, TH * TW);
        const int f = k % g.F, u = k / g.F % TW, t = k / g.F / TW;
        return a.at(0, -t, -u, f);
    }
    __device__ Place b_row(int c) const { return {c * g.F, 0, 0}; }
    __device__ Place b_k(int k) const {
        k = in_order(k, g.F, TH * TW);
        const int f = k % g.F, u = k / g.F % TW, t = k / g.F / TW;
        const int p = p0 + t * g.SH, q = q0 + u * g.SW;
        return {(p * g.KW + q) * g.C * g.F + f, 0, 0};
    }
    __device__ int out(int m) const {
        const int j = m % PW, i = m / PW % PH, n = m / PW / PH;
        return ((n * g.H + h0 + i * g.SH) * g.W + w0 + j * g.SW) * N;
    }
};
