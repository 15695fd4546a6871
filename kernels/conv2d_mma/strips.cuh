// One tile of pixels for two taps: neighbours in the kernel read neighbours in the image.
//
// Example: stride 2, tap q of output column j reads column 2 j + q of the image (without padding). So tap 2 of output
// column j reads what tap 0 of output column j + 1 reads. In a line of 4 output columns:
//
//     tap 0 reads columns   0 2 4 6          both together: 0 2 4 6 8, five pixels instead of eight
//     tap 2 reads columns     2 4 6 8        tap 0 of output column j takes the j-th, tap 2 the one after it
//
// These five pixels are a strip: what two taps read for the rows of the tile that belong to one line of the result.
// Taps that are so far apart are a pair. With stride 2 and 4 taps, 0 and 2 are a pair, 1 and 3 are one; with stride 1,
// 0 and 1. The input gradient of a phase has stride 1.
//
// The tile holds strip after strip: row m of the first tap lies in line m + (strips before it), here with 8 columns:
//
//     line          0  1  2  3  4  5  6  7  8 |  9 10 11 12 13 14 15 16 17 | 18 ...
//     first tap     0  1  2  3  4  5  6  7    |  8  9 10 11 12 13 14 15    | 16 ...        rows of the tile
//     second tap       0  1  2  3  4  5  6  7 |     8  9 10 11 12 13 14 15 |    16 ...
//
// So all of the second tap is the first tap's place plus one line. ldmatrix reads 8 rows at once, and 8 lines that
// follow each other lie in different banks (Planes in tiles.cuh). Lines of 4 columns would put the rows 0 to 7 into the
// lines 0 1 2 3 5 6 7 8, of which 0 and 8 share their banks. So two such strips lie side by side, column by column:
//
//     line          0  1  2  3  4  5  6  7  8  9 | 10 ...
//     first tap     0  4  1  5  2  6  3  7       |  8 ...
//     second tap          0  4  1  5  2  6  3  7 |    ...                                  two lines further on
//
// Rows 0 to 7 lie in the lines 0 to 7 then, and in the lines 2 to 9 for the second tap.

template <class Shape>
struct Strips {
    int width, pitch;  // columns of the result; pixels of a strip: one more, or as many where taps have no pairs
    int doubled;       // 1: two strips lie side by side; 0: each by itself
    int m0, origin;    // the tile's first row; the line it would lie in, were the tile the whole result
    int lines;         // of the tile
    int to_neighbour;  // bytes from a row's place for the first tap to that for the second one; 0 without pairs

    // Pairs pay where a row of the kernel has any, and lines of the result are not so short that the pixels between
    // them outgrow the tile, which has THREADS / 4 lines to spare. Return the taps of a stage, at most.
    __device__ int set(int columns, bool has_pairs) {
        width = max(1, columns);
        const int strips = Shape::ROWS % width ? (Shape::ROWS - 2) / width + 2 : Shape::ROWS / width;  // at most
        const bool pairs = has_pairs && width >= 4 && strips <= Shape::THREADS / 4;
        doubled = pairs && width == 4, pitch = width + pairs;
        return 1 + pairs;
    }
    __device__ void start(int first_row) {
        m0 = first_row, origin = 0, origin = line(0);
        const int neighbour = pitch - width << doubled;
        lines = line(Shape::ROWS - 1) + 1 + neighbour, to_neighbour = neighbour * CHUNK;
        keep(to_neighbour);
    }
    __device__ int line(int row) const {
        const int strip = (m0 + row) / width, column = (m0 + row) % width;
        return ((strip >> doubled) * pitch + column << doubled) + (strip & doubled) - origin;
    }
    // Which pixel lies in a line: its line of the result, counted through all images, and its column in the strip. A
    // line that no row needs has none: -1.
    struct Pixel { int strip, column; };
    __device__ Pixel pixel(int line) const {
        const int at = origin + line, place = at >> doubled, group = place / pitch;
        return {line < lines ? (group << doubled) + (at & doubled) : -1, place - group * pitch};
    }
};
