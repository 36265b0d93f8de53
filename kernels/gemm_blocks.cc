#include "kernels/gemm_blocks.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "kernels/cost.h"
#include "kernels/gemm_block.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace nnkernels::detail {
namespace {

// How a product is cut, measured on Zen 4 (1 MB of L2 cache a core).
constexpr std::int64_t kColumnBytes = 12288;   // nc: 3072 floats; B's block lies in the L3 cache
constexpr std::int64_t kInnerBytes = 1 << 19;  // what the inner loop reads again, in the L2 cache
// B is packed if so many tiles, one below the other, read each panel.
constexpr std::int64_t kPackForTiles = 16;
// From so many tiles on if at least so many of its rows, a multiple of 4096 bytes apart, fill their
// few sets of the L2 cache, and units that take whole vectors of 512 bits wait for what is beyond.
constexpr std::int64_t kPackSharedSetsFor = 8, kSharedSets = 384;
// Columns of A are packed for tiles of so few rows, which read parts of lines, if so many panels
// meet them.
constexpr std::int64_t kFewRows = 8, kPackPartsFor = 12;
// So are, for any tile, columns of more steps than an L1 cache of 32 KB has lines; for units that
// take whole vectors of 512 bits, which need a step's lines twice as fast, of so many bytes.
constexpr std::int64_t kLongColumns = 512, kLongColumnBytes = 1024;
// At least so many pieces to share among threads, where the tiles allow it.
constexpr std::int64_t kPieces = 8;
// Steps of A that a piece of the loop that packs it takes.
constexpr std::int64_t kPackedSteps = 128;
// A piece of panels over a block of rows is cut further, into at most so many parts of at
// least so many panels: for threads of different speed, and for many threads.
constexpr std::int64_t kMostParts = 4, kLeastPanels = 2;
// What one thread does of a B of so many bytes is one block: each tile of A then meets all of it,
// which with A and C fits into the smallest L2 caches.
constexpr std::int64_t kJoinedBytes = 1 << 17;
// Where rows are the outer loop, pieces of about so many rows.
constexpr std::int64_t kPieceRows = 112;

/// The widest tile that has `rows` rows: few rows leave registers for more columns.
template <class T>
std::size_t widest_tile(const TileKernels<T>& kernels, std::int64_t rows) {
  std::size_t index = kTwoVectors;
  while (index + 1 < kTileWidths && rows <= kernels.max_rows[index + 1]) ++index;
  return index;
}

/// How a product is cut into blocks and pieces. Depends on the shape and strides alone.
template <class T>
struct Cut {
  Cut(const TileKernels<T>& kernels, const Product<T>& p)
      : depth(block_depth(p.a.cols, kernels.max_depth)) {
    const std::int64_t m = p.c.rows, n = p.c.cols;
    const bool prepacked = p.packed_b != nullptr;
    widest = prepacked ? kTwoVectors : widest_tile(kernels, m);
    const std::size_t width = kernels.width_for(n, widest);
    mr = kernels.max_rows[width];
    const std::int64_t nr = kernels.columns[width];
    columns = std::min(n, kColumnBytes / static_cast<std::int64_t>(sizeof(T)) / nr * nr);

    const bool readable = p.b.col_stride == 1 && (kernels.masked || n % kernels.lanes == 0);
    const std::int64_t pack_for = crowds_l2_sets(kernels, p) ? kPackSharedSetsFor : kPackForTiles;
    pack_b = !prepacked && (!readable || (m >= pack_for * mr && n > nr));
    const bool in_parts = p.a.row_stride == 1 && n >= kPackPartsFor * nr;
    pack_a = m >= 2 * mr && n >= 4 * nr &&
             (needs_packing<T>(p.a.row_stride, p.a.col_stride) || (in_parts && mr <= kFewRows));

    // The operand of the inner loop stays in the L2 cache, so the other one is what pieces divide.
    constexpr auto kInner = kInnerBytes / static_cast<std::int64_t>(sizeof(T));
    rows_outside = depth * columns <= kInner;
    tiles = RowTiles(m, mr);
    const std::int64_t row_tiles = tiles.count();
    const std::int64_t panels = (columns + nr - 1) / nr;
    if (rows_outside) {
      row_blocks = std::max((m + kPieceRows - 1) / kPieceRows, std::min(kPieces, row_tiles / 4));
      column_groups = std::min((kPieces + row_blocks - 1) / row_blocks, panels);
    } else {
      row_blocks = std::max<std::int64_t>(1, m * depth / kInner);
      column_groups = std::min((kPieces + row_blocks - 1) / row_blocks, panels);
      row_blocks = std::min(std::max(row_blocks, kPieces / column_groups), row_tiles);
    }
    row_blocks = std::max<std::int64_t>(1, row_blocks);
    // A few more, so that two or four threads have as many each.
    if (row_blocks > kPieces) row_blocks = std::min((row_blocks + 3) / 4 * 4, row_tiles);
    pack_in_pieces = pack_b && (rows_outside || row_blocks == 1);
    if (pack_b && row_blocks == 1) {
      rows_outside = true;
      column_groups = std::min(panels, std::max(column_groups, depth * columns / kInner));
    }
    const std::int64_t long_columns =
        has_whole_units(kernels) ? kLongColumnBytes / std::int64_t{sizeof(T)} : kLongColumns;
    if (in_parts && !rows_outside && depth > long_columns) pack_a = true;
  }

  /// Whether a unit takes a vector of 512 bits at a time.
  static bool has_whole_units(const TileKernels<T>& kernels) {
    return kernels.unit_lanes * static_cast<std::int64_t>(sizeof(T)) == 64;
  }

  /// Whether rows of B push each other out of the L2 cache before the next tile reads them.
  bool crowds_l2_sets(const TileKernels<T>& kernels, const Product<T>& p) const {
    constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
    return depth >= kSharedSets && p.b.row_stride * kSize % 4096 == 0 && has_whole_units(kernels);
  }

  /// The first row of a block of rows: of whole tiles, so that as few as possible are short.
  std::int64_t first_row(std::int64_t row_block) const {
    return tiles.begin(tiles.count() * row_block / row_blocks);
  }

  std::size_t widest;  // tile
  std::int64_t mr;
  RowTiles tiles{0, 1};
  std::int64_t depth;    // kc
  std::int64_t columns;  // nc
  bool pack_a, pack_b;
  bool pack_in_pieces;  // each thread packs for itself what its pieces read of B, in the L2 cache
  bool rows_outside;
  std::int64_t row_blocks;
  std::int64_t column_groups;
};

/// Packs B into panels, side by side, the one of column j at packed + j * (B's rows).
template <class T>
void pack_panels(const TileKernels<T>& kernels, const MatrixView<const T>& b, std::size_t widest,
                 T* packed) {
  const std::int64_t depth = b.rows, cols = b.cols;
  const std::int64_t panel = kernels.columns[kernels.width_for(cols, widest)];
  // Two panels at a time: neighbours in memory, for which the hardware's prefetch is enough.
  const std::int64_t step = 2 * panel;
  const double moved = 2.0 * static_cast<double>(depth * cols);
  nnkernels::parallel_for(
      (cols + step - 1) / step, transfer_microseconds<T>(moved), [&](std::int64_t index, int) {
        for (std::int64_t j = index * step; j < std::min(cols, (index + 1) * step);) {
          const std::int64_t width = kernels.columns[kernels.width_for(cols - j, widest)];
          kernels.pack(&b(0, j), b.col_stride, b.row_stride, std::min(width, cols - j), width,
                       depth, packed + j * depth);
          j += width;
        }
      });
}

/// A number for each loop whose pieces pack for themselves.
std::uint64_t next_loop() {
  static std::atomic<std::uint64_t> count = 0;
  return ++count;
}

/// The columns that panels for n columns take, the zeros at the end included.
template <class T>
std::int64_t padded_columns(const TileKernels<T>& kernels, std::int64_t n, std::size_t widest) {
  if (n == 0) return 0;
  const std::int64_t panel = kernels.columns[kernels.width_for(n, widest)];
  return (n + panel - 1) / panel * panel;
}

/// What a thread has packed last for itself.
struct LastPacked {
  std::uint64_t loop = 0;
  std::int64_t index = 0;
  friend bool operator==(const LastPacked&, const LastPacked&) = default;
};

/// B's panels for a group of a loop's pieces, packed by this thread unless it has just done that.
/// Cheaper than to share them: what another core has packed comes from its caches, line by line.
template <class T>
const T* own_panels(const TileKernels<T>& kernels, const MatrixView<const T>& b, std::size_t widest,
                    const LastPacked& group) {
  thread_local LastPacked last;
  T* const packed = scratch<T>(Purpose::packed_b, b.rows * padded_columns(kernels, b.cols, widest));
  if (last != group) pack_panels(kernels, b, widest, packed);
  last = group;
  return packed;
}

/// The same of A's rows for a block of rows.
template <class T>
const T* own_rows(const TileKernels<T>& kernels, const Block<T>& block,
                  const LastPacked& row_block) {
  thread_local LastPacked last;
  T* const packed = scratch<T>(Purpose::packed_a, block.rows * block.k);
  if (last != row_block) pack_rows(kernels, block, 0, block.k, packed);
  last = row_block;
  return packed;
}

}  // namespace

template <class T>
std::int64_t packed_size(const TileKernels<T>& kernels, std::int64_t k, std::int64_t n) {
  return k * padded_columns(kernels, n, kTwoVectors);
}

template <class T>
void pack_all(const TileKernels<T>& kernels, const MatrixView<const T>& b, T* packed) {
  const std::int64_t padded = padded_columns(kernels, b.cols, kTwoVectors);
  const std::int64_t depth = block_depth(b.rows, kernels.max_depth);
  for (std::int64_t first = 0; first < b.rows; first += depth) {
    pack_panels(kernels, b.row_block(first, std::min(depth, b.rows - first)), kTwoVectors,
                packed + first * padded);
  }
}

template <class T>
void multiply_small(const TileKernels<T>& kernels, T alpha, const MatrixView<const T>& a,
                    const MatrixView<const T>& b, T beta, const MatrixView<T>& c,
                    const Epilogue<T>& epilogue) {
  const std::size_t widest = widest_tile(kernels, c.rows);
  const T* panels = nullptr;
  if (b.col_stride != 1 || (!kernels.masked && c.cols % kernels.lanes != 0)) {
    T* const packed =
        scratch<T>(Purpose::packed_b, b.rows * padded_columns(kernels, c.cols, widest));
    pack_panels(kernels, b, widest, packed);
    panels = packed;
  }
  const Block<T> block{.rows = c.rows,
                       .cols = c.cols,
                       .k = b.rows,
                       .a = a.data,
                       .a_row_stride = a.row_stride,
                       .a_step = a.col_stride,
                       .packed_a = nullptr,
                       .tile_rows = kernels.max_rows[kernels.width_for(c.cols, widest)],
                       .b = panels == nullptr ? b.data : panels,
                       .b_row_stride = b.row_stride,
                       .widest = widest,
                       .c = c.data,
                       .c_row_stride = c.row_stride,
                       .alpha = alpha,
                       .beta = beta,
                       .bias = epilogue.bias,
                       .pack_a = false,
                       .b_is_packed = panels != nullptr,
                       .relu = epilogue.activation == Activation::relu,
                       .rows_outside = true};
  BlockLoops<T>(kernels, block).run();
}

/// The five loops of Goto and van de Geijn: columns (nc), depth (kc), and, in parallel, row blocks
/// (mc) and groups of panels, each running over panels (nr) and tiles (mr).
template <class T>
void multiply(const Product<T>& p) {
  const TileKernels<T>& kernels = tile_kernels<T>();
  const Cut<T> cut(kernels, p);
  const std::int64_t m = p.c.rows, n = p.c.cols, k = p.a.cols;
  const bool own_activation = p.epilogue.activation > Activation::relu;
  for (std::int64_t col = 0; col < n; col += cut.columns) {
    const std::int64_t cols = std::min(cut.columns, n - col);
    const std::int64_t panel = kernels.columns[kernels.width_for(cols, cut.widest)];
    // Where B is not packed, a last panel of one vector, or of few columns, goes with the one
    // before.
    const bool unpacked = !cut.pack_b && p.packed_b == nullptr;
    const std::int64_t few = unpacked ? few_columns(kernels, m, cols, cut.depth, p.a.row_stride,
                                                    p.a.col_stride, cut.pack_a)
                                      : 0;
    std::int64_t panels = std::max<std::int64_t>(1, (cols - few + panel - 1) / panel);
    if (unpacked && panels > 1 &&
        kernels.joins_last_vector(cols - few - (panels - 2) * panel, cut.widest)) {
      --panels;
    }
    const std::int64_t groups = std::min(cut.column_groups, panels);
    const std::int64_t parts =
        cut.rows_outside ? 1
                         : std::clamp<std::int64_t>(panels / groups / kLeastPanels, 1, kMostParts);
    const std::int64_t column_parts = groups * parts;
    const auto first_column = [&](std::int64_t part) {
      return part == column_parts ? cols : panels * part / column_parts * panel;
    };
    for (std::int64_t k_first = 0; k_first < k; k_first += cut.depth) {
      const std::int64_t depth = std::min(cut.depth, k - k_first);
      const bool first = k_first == 0, last = k_first + depth == k;
      const T* packed = nullptr;
      if (cut.pack_b && !cut.pack_in_pieces) {
        T* const panels_of_b = scratch<T>(Purpose::packed_b, depth * panels * panel);
        pack_panels<T>(kernels, {&p.b(k_first, col), depth, cols, p.b.row_stride, p.b.col_stride},
                       cut.widest, panels_of_b);
        packed = panels_of_b;
      } else if (p.packed_b != nullptr) {
        packed = p.packed_b + k_first * padded_columns(kernels, n, cut.widest) + col * depth;
      }
      // A piece is a block of rows by a part of a group of panels; neighbours make a larger block.
      const auto block = [&](std::int64_t row_block, std::int64_t row_blocks, std::int64_t part,
                             std::int64_t part_count) {
        const std::int64_t row = cut.first_row(row_block);
        const std::int64_t j = first_column(part);
        return Block<T>{
            .rows = cut.first_row(row_block + row_blocks) - row,
            .cols = first_column(part + part_count) - j,
            .k = depth,
            .a = &p.a(row, k_first),
            .a_row_stride = p.a.row_stride,
            .a_step = p.a.col_stride,
            .packed_a = nullptr,
            .tile_rows = cut.mr,
            .b = packed == nullptr ? &p.b(k_first, col + j) : packed + j * depth,
            .b_row_stride = p.b.row_stride,
            .widest = cut.widest,
            .c = &p.c(row, col + j),
            .c_row_stride = p.c.row_stride,
            .alpha = p.alpha,
            .beta = first ? p.beta : T{1},
            .bias = last && p.epilogue.bias != nullptr ? p.epilogue.bias + col + j : nullptr,
            .pack_a = cut.pack_a,
            .b_is_packed = packed != nullptr,
            .relu = last && p.epilogue.activation == Activation::relu,
            .rows_outside = cut.rows_outside};
      };
      // Groups of panels would each pack the same A.
      T* packed_a = nullptr;
      if (cut.pack_a && !cut.rows_outside && groups > 1) {
        packed_a = scratch<T>(Purpose::packed_a, m * depth);
        const double moved = 2.0 * static_cast<double>(m * depth);
        const std::int64_t depths = (depth + kPackedSteps - 1) / kPackedSteps;
        nnkernels::parallel_for(
            cut.row_blocks * depths, transfer_microseconds<T>(moved), [&](std::int64_t piece, int) {
              const std::int64_t row_block = piece / depths, step = piece % depths * kPackedSteps;
              pack_rows(kernels, block(row_block, 1, 0, 1), step,
                        std::min(depth, step + kPackedSteps),
                        packed_a + cut.first_row(row_block) * depth);
            });
      }
      const double flops =
          2.0 * static_cast<double>(m) * static_cast<double>(cols) * static_cast<double>(depth);
      const std::uint64_t loop = cut.pack_in_pieces || cut.pack_a ? next_loop() : 0;
      const bool joins_groups = !cut.pack_in_pieces &&
                                depth * cols <= kJoinedBytes / static_cast<std::int64_t>(sizeof(T));
      // The pieces of a group follow each other, so that a thread reads the panels that it packed,
      // and of these the parts that meet the same rows. Those that one thread does, from `piece` on
      // and before `end`, are one block if they have the same rows or the same panels, or all rows
      // and few panels: it returns where that ended. (Activations of their own meet C while a piece
      // of it is in the cache.)
      const auto run = [&](std::int64_t piece, std::int64_t end) {
        if (own_activation) end = piece + 1;
        const std::int64_t part = piece % parts, of = piece / parts;
        const std::int64_t row_block = of % cut.row_blocks, group = of / cut.row_blocks;
        std::int64_t row_blocks = 1, part_count = std::min(parts - part, end - piece);
        if (cut.rows_outside) {
          row_blocks = std::min(cut.row_blocks - row_block, end - piece);
          if (joins_groups && row_blocks == cut.row_blocks) part_count = (end - piece) / row_blocks;
        }
        Block<T> mine = block(row_block, row_blocks, group * parts + part, part_count);
        if (packed_a != nullptr) {
          mine.packed_a = packed_a + cut.first_row(row_block) * depth;
        } else if (cut.pack_a && !cut.rows_outside) {
          mine.packed_a = own_rows<T>(kernels, mine, {loop, row_block});
        }
        if (cut.pack_in_pieces) {
          mine.b =
              own_panels<T>(kernels, {mine.b, depth, mine.cols, p.b.row_stride, p.b.col_stride},
                            cut.widest, {loop, group});
          mine.b_is_packed = true;
        }
        BlockLoops<T>(kernels, mine).run();
        for (std::int64_t i = 0; last && own_activation && i < mine.rows; ++i) {
          T* const y = mine.c + i * mine.c_row_stride;
          activation_forward(p.epilogue.activation, mine.cols, y, y);
        }
        return piece + row_blocks * part_count;
      };
      nnkernels::parallel_for_ranges(cut.row_blocks * column_parts,
                                     arithmetic_microseconds<T>(flops),
                                     [&](std::int64_t piece, std::int64_t end, int) {
                                       while (piece < end) piece = run(piece, end);
                                     });
    }
  }
}

template void multiply<float>(const Product<float>&);
template void multiply<double>(const Product<double>&);
template std::int64_t packed_size<float>(const TileKernels<float>&, std::int64_t, std::int64_t);
template std::int64_t packed_size<double>(const TileKernels<double>&, std::int64_t, std::int64_t);
template void pack_all<float>(const TileKernels<float>&, const MatrixView<const float>&, float*);
template void pack_all<double>(const TileKernels<double>&, const MatrixView<const double>&,
                               double*);
template void multiply_small<float>(const TileKernels<float>&, float,
                                    const MatrixView<const float>&, const MatrixView<const float>&,
                                    float, const MatrixView<float>&, const Epilogue<float>&);
template void multiply_small<double>(const TileKernels<double>&, double,
                                     const MatrixView<const double>&,
                                     const MatrixView<const double>&, double,
                                     const MatrixView<double>&, const Epilogue<double>&);

}  // namespace nnkernels::detail
