// The transforms of a Winograd / Toom-Cook convolution: M x M outputs per tile, R x R taps, T = M + R - 1.
//
//     winograd_input            V = (B x B) tile of x           winograd_input_adjoint     dx = sum of (B x B)^T dV
//     winograd_weight           U = (G x G) weight              winograd_weight_adjoint    dweight = (G x G)^T dU
//     winograd_output           y = (A x A) M                   winograd_output_adjoint    E = (A x A)^T dy
//
// Between them stand T*T matrix products per layer, which are not done here. docs/convolution.md derives all of it.
//
// The image is seen in cells of s x s pixels (space-to-depth), K = s*s*c numbers deep: depth k = (a*s + b)*c + channel holds
// the pixel (a, b) of the cell (but see phase_at). Tile (th, tw) reads T x T cells from cell (M*th, M*tw) on; neighbours overlap by R - 1.
//
// Threads: threadIdx.x is the channel (neighbouring threads, neighbouring addresses); one thread transforms all T x T
// numbers of its tile and channel in registers. No thread waits for another; the adjoint gathers, so no atomics. Of what
// blockIdx.x counts, the last named runs fastest: blocks that follow each other then write, in each of the T*T planes, runs
// of memory that follow each other.
//
// Each of the T*T planes V[p], M[p], E[p] (tiles x channels) begins `plane` numbers after the last: a little more than it
// holds, since planes a power of two apart would all compete for the same lines of a CPU's cache.

#define BLOCKS_OF(channels) (channels / blockDim.x)  // blockDim.x divides them: no thread is left without work

// The phases, pixels of a cell, with fewer taps (`few` is 1: k5 s2, R = 3) take part in fewer of the T x T products: row
// points without LAST where row 1 of the cell has two taps, and columns likewise. Depth holds the phases in an order in
// which those of each product stand side by side: (0, 1), (0, 0), (1, 0), (1, 1).
__device__ int phase_at(int place, int few) { return place ^ (few & ~(place >> 1)); }  // and the place of a phase

#include "toom.cuh"
#include "toom_axes.cuh"
#include "input.cuh"
#include "output.cuh"
