// The transforms of a Winograd / Toom-Cook convolution: M x M outputs per tile, R x R taps, T = M + R - 1.
//
//     winograd_input            V = (B x B) tile of x           winograd_input_adjoint     dx = sum of (B x B)^T dV
//     winograd_weight           U = (G x G) weight              winograd_weight_adjoint    dweight = (G x G)^T dU
//     winograd_output           y = (A x A) M                   winograd_output_adjoint    E = (A x A)^T dy
//
// Between them stand T * T matrix products per layer, which other code computes. docs/convolution.md derives all of it.
//
// Cells. With stride s the image is seen in cells of s x s pixels, so that a stride of s pixels is a stride of one
// cell. A phase is a position (a, b) inside the cell, numbered a * s + b; with stride 2 the phases are (0,0), (0,1),
// (1,0), (1,1). A cell holds the s * s * c numbers of its pixels: number (place * c + channel), where place is the
// phase's place in the order of phase_at below. Tile (th, tw) reads the T x T cells from cell (M * th, M * tw) on. It
// overlaps the next tile by R - 1 cells.
//
// Thread -> element: threadIdx.x is the channel, or the filter: neighbouring threads, neighbouring addresses. A thread
// transforms the T x T numbers of one tile, one phase and its channel in registers. No thread waits for another. The
// adjoint gathers what reaches its cells, so no atomics are needed. Where blockIdx.x counts several things, the comment
// lists them slowest first: (tile, phase, block of channels) means that neighbouring blocks have neighbouring channels,
// and so write neighbouring memory.
//
// Arrays: x, dx (n, h, w, c); y, dy (n, oh, ow, f); weight, dweight (k, k, c, f). V, M and E have T * T planes, one per
// product: V[p] (tiles, s * s * c), M[p] and E[p] (tiles, f), U[p] (s * s * c, f), where tiles = n * tiles_h * tiles_w.
// Plane p begins at number p * plane. `plane` is a little more than a plane holds: planes a power of two apart would
// all compete for the same lines of a CPU's cache.

#define BLOCKS_OF(channels) (channels / blockDim.x)  // blockDim.x divides them, so every thread has work

// The phase at a place, and equally the place of a phase.
//
// `few` is 1 for a 5 x 5 kernel at stride 2 (R = 3), else 0. Then phases (1, b) have two taps vertically instead of
// three and take no part in product (p, q) if p is LAST. Phases (a, 1) have two taps horizontally and take no part if q
// is LAST. The order (0,1), (0,0), (1,0), (1,1) keeps the phases of every product side by side: all four, the first two
// (p is LAST), the middle two (q is LAST), or the second alone (both). With few = 0 place and phase are the same
// number.
__device__ int phase_at(int place, int few) { return place ^ (few & ~(place >> 1)); }

#include "toom.cuh"
#include "input.cuh"
#include "output.cuh"
