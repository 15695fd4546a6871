// Winograd's transforms on the side of the input: V from x, and dx from dV (see winograd.cuh).
//
// Grid of winograd_input: x = (tile, phase, block of channels), y = image.

// v: T * T planes (tiles, s * s * c) of V; x (n, h, w, c), with zeros outside the image
extern "C" __global__ void winograd_input(real* v, const real* x, int h, int w, int c, int s, int few, int top,
                                          int left, int tiles_h, int tiles_w, int plane) {
    const int channel = blockIdx.x % BLOCKS_OF(c) * blockDim.x + threadIdx.x, deep = blockIdx.x / BLOCKS_OF(c);
    const int place = deep % (s * s), phase = phase_at(place, few), at = deep / (s * s), image = blockIdx.y;
    const int th = at / tiles_w, tw = at % tiles_w;
    const int first_row = M * th * s + phase / s - top, first_col = M * tw * s + phase % s - left;
    real tile[T][T], half[T][T], out[T][T];
    each<T>([&](auto i) INLINE {
        each<T>([&](auto j) INLINE {
            const int row = first_row + i * s, col = first_col + j * s;
            const int mask = mask_of_range(row, h) & mask_of_range(col, w);
            const int inside_row = max(0, min(row, h - 1)), inside_col = max(0, min(col, w - 1));
            tile[i][j] = masked(x[((image * h + inside_row) * w + inside_col) * c + channel], mask);
        });
    });
    interpolate(half, tile, axis_with(1 - (few & phase)));
    interpolate(out, half, axis_with(1 - (few & phase >> 1)));
    real* here = v + (((image * tiles_h + th) * tiles_w + tw) * s * s + place) * c + channel;
    each<T>([&](auto p) INLINE {
        each<T>([&](auto q) INLINE { here[(long long) (p * T + q) * plane] = out[p][q]; });
    });
}

// Add to `cells`, the M x M cells that belong to one tile, what the tile DH rows of tiles above and DW columns to the
// left puts there: a tile reaches R - 1 cells into its neighbours below and to the right.
//
// dv points to the numbers of that tile in plane 0. mask is 0 where there is no such tile; dv then points to any other.
// few_down and few_across are 1 where this phase has two taps vertically or horizontally: then the planes of product
// LAST hold nothing for it, so the plane of point 0 is read instead and its bits are dropped.
template <int DH, int DW>
__device__ void gather(real (&cells)[M][M], const real* dv, int mask, int few_down, int few_across, int plane) {
    real half[M][T];
    each<T>([&](auto q) INLINE {
        real points[T], column[M] = {};
        const int of_q = VALUE(q) == LAST ? few_across - 1 : -1;
        each<T>([&](auto p) INLINE {
            if constexpr (reaches(VALUE(q), DW) && reaches(VALUE(p), DH)) {
                const int of_p = VALUE(p) == LAST ? few_down - 1 : -1;
                points[p] = masked(dv[(long long) ((p & of_p) * T + (q & of_q)) * plane], mask & of_p & of_q);
            }
        });
        if constexpr (reaches(VALUE(q), DW)) spread<DH>(column, points, axis_with(1 - few_down));
        each<M>([&](auto i) INLINE { half[i][q] = column[i]; });
    });
    each<M>([&](auto i) INLINE {
        if constexpr (DH * M + VALUE(i) < T) spread<DW>(cells[i], half[i], axis_with(1 - few_across));
    });
}

// dx (n, h, w, c) = the sum of what all tiles put there, + bias (c), which makes it a transposed convolution.
// dv: T * T planes (tiles, s * s * c)
//
// Grid: x = (row of tiles, row a of the phase, column of tiles, column b of the phase, block of channels), y = image.
// A thread computes the pixels of one phase in the M x M cells of one tile. Some phases have a pixel beyond the last
// tile, so the grid covers all pixels and not only all tiles. across: the number of (column of tiles, b) pairs.
extern "C" __global__ void winograd_input_adjoint(real* dx, const real* dv, optional const real* bias, int h, int w,
                                                  int c, int s, int few, int top, int left, int tiles_h, int tiles_w,
                                                  int across, int plane) {
    const int channel = blockIdx.x % BLOCKS_OF(c) * blockDim.x + threadIdx.x, at = blockIdx.x / BLOCKS_OF(c);
    const int th = at / across / s, tw = at % across / s, image = blockIdx.y;
    const int phase = at / across % s * s + at % across % s;
    const int first_row = M * th * s + phase / s - top, first_col = M * tw * s + phase % s - left;
    const int own_row = mask_of_range(th, tiles_h), own_col = mask_of_range(tw, tiles_w);
    const int above = mask_of_range(th - 1, tiles_h), before = mask_of_range(tw - 1, tiles_w);
    const int row_of_tiles = image * tiles_h + (th & own_row), col_of_tiles = tw & own_col;
    const int row_above = image * tiles_h + ((th - 1) & above), col_before = (tw - 1) & before;
    const int depth = s * s * c;
    const int few_down = few & phase >> 1, few_across = few & phase;
    const real* from = dv + phase_at(phase, few) * c + channel;
    const real* own_tile = from + (row_of_tiles * tiles_w + col_of_tiles) * depth;
    const real* left_tile = from + (row_of_tiles * tiles_w + col_before) * depth;
    const real* upper_tile = from + (row_above * tiles_w + col_of_tiles) * depth;
    const real* diagonal_tile = from + (row_above * tiles_w + col_before) * depth;
    real cells[M][M] = {};
    gather<0, 0>(cells, own_tile, own_row & own_col, few_down, few_across, plane);
    gather<0, 1>(cells, left_tile, own_row & before, few_down, few_across, plane);
    gather<1, 0>(cells, upper_tile, above & own_col, few_down, few_across, plane);
    gather<1, 1>(cells, diagonal_tile, above & before, few_down, few_across, plane);
    const real shift = bias ? bias[channel] : 0;
    real* const to = dx + channel;  // added first: g++ then sees that neighbouring threads store side by side
    each<M>([&](auto i) INLINE {
        each<M>([&](auto j) INLINE {
            const int row = first_row + i * s, col = first_col + j * s;
            if ((row >= 0) & (row < h) & (col >= 0) & (col < w))
                to[((image * h + row) * w + col) * c] = cells[i][j] + shift;
        });
    });
}
