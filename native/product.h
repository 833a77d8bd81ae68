// Large matrix products: the projection of all steps, and the gradients of the input and of the weights. Every
// thread of a team calls them; each takes its own part of the result and sums it in one order, so that no number
// depends on how many threads there are. Here it is vectors that multiply, by the same register tile as the scan;
// tiles.h does the same with the matrix unit.
#pragma once

#include "cells.h"

namespace ELMAN_VARIANT {

constexpr int64_t kDeep = 256;  // steps of a sum that stay in the cache, before they are added to the result
constexpr int64_t kSmallSum = 1 << 13;  // numbers of a gradient that costs little

// The tile: kTall rows × kWide vectors of columns.
constexpr int kTall = kRegisters == 32 ? 8 : 6;
constexpr int kWide = 2;

template <class T>
constexpr int64_t kColumns = kWide * kLanes<T>;

inline int64_t pieces(int64_t size, int64_t each) { return (size + each - 1) / each; }

// C[m][j] = (C if `more`) + start[j] + Σ_k A[m][k]·panel[k][j] for M rows. The numbers of A that one k needs lie
// `a_stride` apart (kPacked = 0), or side by side, kPacked from one k to the next; those of the panel `apart`.
template <class T, int M, int kPacked>
__attribute__((noinline)) void tile(const T* a, int64_t a_stride, int64_t depth, const T* panel, int64_t apart,
                                    const T* start, bool more, T* c, int64_t stride, int64_t columns) {
  Vec<T> sum[M][kWide] = {};
  const T* row[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    row[m] = a + m * a_stride;
    __builtin_prefetch(c + m * stride, 1);  // it is written when the sums are done, and is far away by then
  }
  const auto at = [&](int64_t k) __attribute__((always_inline)) {
    add_products<T, M, kWide, kWide>(sum, [&](int m) { return kPacked ? a[k * kPacked + m] : row[m][k]; },
                                     panel + k * apart, 0);
  };
  int64_t k = 0;
  for (; k + 2 <= depth; k += 2) at(k), at(k + 1);
  if (k < depth) at(k);
  if (__builtin_expect(columns >= kColumns<T>, 1)) {
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < kWide; ++v) {
        T* to = c + m * stride + v * kLanes<T>;
        if (start) sum[m][v] += load(start + v * kLanes<T>, kLanes<T>);
        if (more) sum[m][v] += load(to, kLanes<T>);
        store(to, sum[m][v], kLanes<T>);
      }
    return;
  }
  Vec<T> kept[M][kWide];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kWide; ++v) kept[m][v] = sum[m][v];
  for (int m = 0; m < M; ++m)
    for (int64_t j = 0; j < columns; ++j) {
      const T value = kept[m][j / kLanes<T>][j % kLanes<T>] + (start ? start[j] : T(0));
      c[m * stride + j] = more ? c[m * stride + j] + value : value;
    }
}

// The same for `count` rows, M at most.
template <class T, int M, int kPacked, class... Rest>
inline void tile_of(int64_t count, const Rest&... rest) {
  if (count >= M)
    tile<T, M, kPacked>(rest...);
  else if constexpr (M > 1)
    tile_of<T, M - 1, kPacked>(count, rest...);
}

// sums[j] += Σ_k a[k][j] for kMost columns at most: a few steps plainly, and those by Kahan's way, for over a hundred
// thousand steps a plain sum would lose what is small.
template <class T, int64_t kMost>
void add_columns(const T* a, int64_t stride, int64_t deep, int64_t columns, T* sums, T* lost) {
  constexpr int kVectors = static_cast<int>(kMost / kLanes<T>), kSteps = 8;
  const auto lanes = [&](int v) { return static_cast<int>(std::clamp<int64_t>(columns - v * kLanes<T>, 0, kLanes<T>)); };
  const int vectors = static_cast<int>(pieces(columns, kLanes<T>));
  for (int64_t k = 0; k < deep; k += kSteps) {
    const int64_t end = std::min(k + kSteps, deep);
    Vec<T> total[kVectors] = {};
    if (columns == kMost) {
      for (int64_t step = k; step < end; ++step)
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) total[v] += load(a + step * stride + v * kLanes<T>, kLanes<T>);
    } else {
      for (int64_t step = k; step < end; ++step)
        for (int v = 0; v < vectors; ++v) total[v] += load(a + step * stride + v * kLanes<T>, lanes(v));
    }
    for (int v = 0; v < vectors; ++v) {
      T *const sum = sums + v * kLanes<T>, *const rest = lost + v * kLanes<T>;
      const Vec<T> before = load(sum, lanes(v)), more = total[v] - load(rest, lanes(v)), after = before + more;
      store(rest, (after - before) - more, lanes(v)), store(sum, after, lanes(v));
    }
  }
}

// A product has a left factor with its rows and a right one with its columns, which are laid out for it. Sizes are in
// numbers of T and multiples of 64 bytes.
template <class T>
struct Vectors {
  static constexpr bool kWalks = false;
  static constexpr int64_t kRows = kTall;  // rows of the result that go together

  // --- some rows of the result at a time, all of a sum ---

  static int64_t groups(int64_t columns) { return pieces(columns, kColumns<T>); }
  static int64_t right_size(int64_t depth, int64_t columns) { return groups(columns) * depth * kColumns<T>; }
  static int64_t left_size(int64_t) { return 0; }
  // A group of columns: column j is row j of a matrix, or its column j.
  static void lay_rows(const T* matrix, T* to, int64_t group, int64_t columns, int64_t depth) {
    pack_forward(matrix, to, group, columns, depth, 1, 1, kWide);
  }
  static void lay_columns(const T* matrix, T* to, int64_t group, int64_t columns, int64_t depth) {
    pack_backward(matrix, to, group, columns, depth, kWide);
  }

  // C[rows from … to) = (C if `more`) + A·right + bias, row by row: nothing but the rows is shared out. Whole groups of
  // columns are read from the matrix itself, where it is given.
  void rows_product(const T* a, int64_t a_stride, const T* right, const T* matrix, int64_t depth, int64_t columns,
                    const T* bias, bool more, T* c, int64_t from, int64_t to, T*) {
    constexpr int64_t kBlock = 12 * kTall;  // rows whose part of A stays in the cache
    for (int64_t block = from; block < to; block += kBlock) {
      const int64_t end = std::min(block + kBlock, to);
      for (int64_t k = 0; k < depth; k += kDeep) {
        const int64_t deep = std::min(kDeep, depth - k);
        for (int64_t j = 0; j < columns; j += kColumns<T>) {
          const bool whole = matrix && j + kColumns<T> <= columns;
          const T* panel = whole ? matrix + k * columns + j : right + j * depth + k * kColumns<T>;
          for (int64_t i = block; i < end; i += kTall)
            tile_of<T, kTall, 0>(end - i, a + i * a_stride + k, a_stride, deep, panel, whole ? columns : kColumns<T>,
                                 k || !bias ? nullptr : bias + j, k || more, c + i * columns + j, columns,
                                 columns - j);
        }
      }
    }
  }

  // --- some steps of a sum at a time, kDeep at most, all of the result ---

  static constexpr int64_t kTiles = 8;  // so many of the left factor are laid out at a time
  static constexpr int64_t kTogether = kTiles * kTall;
  static constexpr int64_t kApart = kDeep * kTall + kLanes<T>;  // from one to the next
  static int64_t steps_size(int64_t columns) { return kDeep * groups(columns) * kColumns<T>; }
  static constexpr int64_t kLeftSize = (kTiles * kApart + 15) / 16 * 16;

  // left[tile][k][m] = A[k][tile·kTall + m]. Rows of A follow one another, or are those named.
  static void lay_left(const T* first, int64_t a_stride, int64_t deep, int64_t columns, T* left,
                       const int64_t* named = nullptr) {
    constexpr int64_t kAhead = 8;
    const auto row = [&](int64_t k) { return first + (named ? named[k] : k) * a_stride; };
    for (int64_t k = 0; k < deep; ++k) {
      const T *const a = row(k), *const ahead = row(std::min(k + kAhead, deep - 1));
      for (int64_t j = 0; j < columns; j += 64 / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(ahead + j);
      for (int64_t j = 0; j < columns; j += kTall) {
        T* out = left + j / kTall * kApart + k * kTall;
        if (j + std::max(kTall, kLanes<T>) <= columns && kTall <= 2 * kLanes<T>) {
          store(out, load(a + j, kLanes<T>), kLanes<T>);  // what is too much is overwritten by the next
          if (kTall > kLanes<T>) store(out + kTall - kLanes<T>, load(a + j + kTall - kLanes<T>, kLanes<T>), kLanes<T>);
        } else {
          for (int64_t m = 0; m < std::min<int64_t>(kTall, columns - j); ++m) out[m] = a[j + m];
        }
      }
    }
  }

  // panel[k][j] = row(k)[j], which are asked for in order. A row may be null, for zeros.
  template <class Row>
  static void lay_steps(int64_t deep, const Row& row, int64_t columns, T* panels) {
    for (int64_t k = 0; k < deep; ++k) {
      const T* b = row(k);
      for (int64_t j = 0; j < groups(columns) * kColumns<T>; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<int64_t>(kLanes<T>, columns - j));
        T* to = panels + j / kColumns<T> * kColumns<T> * kDeep + k * kColumns<T> + j % kColumns<T>;
        *reinterpret_cast<Vec<T>*>(to) = b && n > 0 ? load(b + j, n) : Vec<T>{};
      }
    }
  }

  // C[m][j] = (C if `more`) + Σ_k left[k][m]·panel[k][j] for some rows, kTogether at most.
  void sums_product(int64_t deep, const T* left, int64_t rows, const T* panels, int64_t columns, bool more, T* c) {
    for (int64_t j = 0; j < columns; j += kColumns<T>)
      for (int64_t m = 0; m < rows; m += kTall)
        tile_of<T, kTall, kTall>(rows - m, left + m / kTall * kApart, int64_t{0}, deep, panels + j * kDeep,
                                 kColumns<T>, static_cast<const T*>(nullptr), more, c + m * columns + j, columns,
                                 columns - j);
  }
};

// Where a part of some rows begins, of which so many as go together stay together.
template <class Large>
int64_t part_of(int64_t rows, int64_t part, int64_t parts) {
  return std::min(pieces(rows, Large::kRows) * part / parts * Large::kRows, rows);
}

// Rows from … to of C = (C if `more`) + Aᵀ·B, the sum over `count` rows of both. `memory` is of sum_size.
template <class Large>
int64_t sum_size(int64_t b_columns) {
  return Large::steps_size(b_columns) + Large::kLeftSize;
}
template <class T, class Large>
void sum_outer(Large& large, int64_t count, const T* a, int64_t a_columns, const T* b, int64_t b_columns, bool more, T* c,
               int64_t from, int64_t to, T* memory) {
  T* const left = memory + Large::steps_size(b_columns);
  if (count == 0 && !more) std::memset(static_cast<void*>(c + from * b_columns), 0, (to - from) * b_columns * sizeof(T));
  for (int64_t r = 0; r < count; r += kDeep) {
    const int64_t deep = std::min(kDeep, count - r);
    Large::lay_steps(deep, [&](int64_t k) { return b + (r + k) * b_columns; }, b_columns, memory);
    for (int64_t i = from, end; i < to; i = end) {
      end = std::min(i + Large::kTogether, to);
      Large::lay_left(a + r * a_columns + i, a_columns, deep, end - i, left);
      large.sums_product(deep, left, end - i, memory, b_columns, more || r > 0, c + i * b_columns);
    }
  }
}

}  // namespace ELMAN_VARIANT
