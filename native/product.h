// Large matrix products by the same register tile as the scan: the projection of all steps, and the
// gradients of the input and of the weights. Every thread of a team calls them; each takes its own part
// of the result and sums it in one order, so that no number depends on how many threads there are.
#pragma once

#include "cells.h"

namespace ELMAN_VARIANT {

constexpr int64_t kDeep = 256;  // steps of a sum that stay in the cache, before they are added to the result

// The tile: kTall rows × kWide vectors of columns.
constexpr int kTall = kRegisters == 32 ? 8 : 6;
constexpr int kWide = 2;

template <class T>
constexpr int64_t kColumns = kWide * kLanes<T>;

inline int64_t pieces(int64_t size, int64_t each) { return (size + each - 1) / each; }

// Columns of the result, `kColumns` at a time; a panel holds those of a matrix, `depth` deep.
template <class T>
int64_t panels_size(int64_t depth, int64_t columns) {
  return pieces(columns, kColumns<T>) * depth * kColumns<T>;
}

template <class T>
void add_tile(const Vec<T>* acc, int count, T* c, int64_t stride, int64_t columns, const T* start, bool more) {
  for (int m = 0; m < count; ++m)
    for (int v = 0; v < kWide; ++v) {
      const int n = static_cast<int>(std::min<int64_t>(kLanes<T>, columns - v * kLanes<T>));
      if (n <= 0) break;
      T* to = c + m * stride + v * kLanes<T>;
      Vec<T> value = acc[m * kWide + v];
      if (start) value += load(start + v * kLanes<T>, n);
      if (more) value += load(to, n);
      store(to, value, n);
    }
}

// C[rows from … to) = (C if `more`) + A·panels + bias, row by row: nothing but the rows is shared out.
template <class T>
void rows_product(const T* a, int64_t a_stride, const T* panels, int64_t depth, int64_t columns, const T* bias,
                  bool more, T* c, int64_t from, int64_t to) {
  constexpr int64_t kBlock = 12 * kTall;  // rows whose part of A stays in the cache
  for (int64_t block = from; block < to; block += kBlock) {
    const int64_t end = std::min(block + kBlock, to);
    for (int64_t k = 0; k < depth; k += kDeep) {
      const int64_t deep = std::min(kDeep, depth - k);
      for (int64_t j = 0; j < columns; j += kColumns<T>) {
        const T* panel = panels + j * depth + k * kColumns<T>;
        for (int64_t i = block; i < end; i += kTall) {
          const int count = static_cast<int>(std::min<int64_t>(kTall, end - i));
          Vec<T> acc[kTall * kWide] = {};
          const T* row[kTall];
          for (int m = 0; m < count; ++m) row[m] = a + (i + m) * a_stride + k;
          multiply<T, kTall, kWide>(count, acc, row, deep, panel);
          add_tile(acc, count, c + i * columns + j, columns, columns - j, k || !bias ? nullptr : bias + j, k || more);
        }
      }
    }
  }
}

// acc[m][v] += Σ_k a[k][m]·b[k][v], both in panels.
template <class T>
__attribute__((noinline)) void multiply_panels(Vec<T>* acc, const T* a, int64_t depth, const T* panel) {
  Vec<T> sum[kTall][kWide] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const Vec<T>* b = reinterpret_cast<const Vec<T>*>(panel + k * kColumns<T>);
#pragma GCC unroll 16
    for (int m = 0; m < kTall; ++m) {
      const T one = a[k * kTall + m];
#pragma GCC unroll 8
      for (int v = 0; v < kWide; ++v) sum[m][v] += one * b[v];
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < kTall; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < kWide; ++v) acc[m * kWide + v] = sum[m][v];
}

// C[i][j] = Σ_r A[r][i]·row(r)[j] for the columns i from … to of A: a gradient of weights. `row(r)` may be
// null, for zeros. `memory` holds kDeep·(columns rounded up + kTall) numbers, of this thread.
template <class T, class Row>
void sums_product(const T* a, int64_t a_stride, int64_t rows, Row row, int64_t columns, T* c, int64_t from, int64_t to,
                  T* memory) {
  T* const left = memory + kDeep * pieces(columns, kColumns<T>) * kColumns<T>;
  for (int64_t i = from; i < to; ++i) std::memset(static_cast<void*>(c + i * columns), 0, columns * sizeof(T));
  for (int64_t r = 0; r < rows; r += kDeep) {
    const int64_t deep = std::min(kDeep, rows - r);
    for (int64_t k = 0; k < deep; ++k) {
      const T* b = row(r + k);
      for (int64_t j = 0; j < columns; j += kColumns<T>) {
        T* panel = memory + j * kDeep + k * kColumns<T>;
        for (int v = 0; v < kWide; ++v) {
          const int n = static_cast<int>(std::min<int64_t>(kLanes<T>, columns - j - v * kLanes<T>));
          *reinterpret_cast<Vec<T>*>(panel + v * kLanes<T>) =
              b && n > 0 ? load(b + j + v * kLanes<T>, n) : Vec<T>{};
        }
      }
    }
    for (int64_t i = from; i < to; i += kTall) {
      const int count = static_cast<int>(std::min<int64_t>(kTall, to - i));
      for (int64_t k = 0; k < deep; ++k)
        for (int m = 0; m < kTall; ++m) left[k * kTall + m] = m < count ? a[(r + k) * a_stride + i + m] : T(0);
      for (int64_t j = 0; j < columns; j += kColumns<T>) {
        Vec<T> acc[kTall * kWide];
        multiply_panels<T>(acc, left, deep, memory + j * kDeep);
        add_tile(acc, count, c + i * columns + j, columns, columns - j, static_cast<const T*>(nullptr), true);
      }
    }
  }
}

}  // namespace ELMAN_VARIANT
