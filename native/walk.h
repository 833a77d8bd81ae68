// What a scan works on: the sequences that one thread owns, longest first, and the weights in panels.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "arena.h"
#include "elman.h"
#include "simd.h"

namespace ELMAN_VARIANT {

// Sequences of one thread: at step s the first `active(s)` of them are still running.
struct Rows {
  std::vector<int64_t> sequence, first, length;
  bool reverse;

  Rows(const elman_scan& scan, const elman_direction& way, const int64_t* order, int part, int parts)
      : reverse(way.reverse != 0) {
    for (int64_t turn = 0; turn * parts < scan.batch; ++turn) {  // to and fro: nobody has the longer one every time
      const int64_t i = turn * parts + (turn % 2 ? parts - 1 - part : part);
      if (i >= scan.batch) break;
      const int64_t b = order[i];
      sequence.push_back(b);
      first.push_back(scan.offsets[b]);
      length.push_back(scan.offsets[b + 1] - scan.offsets[b]);
    }
  }
  // Gives every second one away.
  Rows split() {
    Rows given(*this), kept(*this);
    for (Rows* half : {&given, &kept}) half->sequence.clear(), half->first.clear(), half->length.clear();
    for (int64_t i = 0; i < count(); ++i) {
      Rows& to = i % 2 ? given : kept;
      to.sequence.push_back(sequence[i]), to.first.push_back(first[i]), to.length.push_back(length[i]);
    }
    *this = std::move(kept);
    return given;
  }
  int64_t count() const { return static_cast<int64_t>(sequence.size()); }
  int64_t longest() const { return length.empty() ? 0 : length[0]; }
  // The row of the matrices that holds step s (counted in the direction of reading) of the i-th sequence.
  int64_t row(int64_t i, int64_t s) const { return first[i] + (reverse ? length[i] - 1 - s : s); }
  int64_t longer_than(int64_t s) const {
    return std::partition_point(length.begin(), length.end(), [s](int64_t one) { return one > s; }) - length.begin();
  }
};

// Groups of units that share a panel: `wide` vectors of units for each block of gates.
template <class T>
struct Panels {
  static int64_t groups(int64_t hidden, int wide) {
    const int64_t units = static_cast<int64_t>(wide) * kLanes<T>;
    return (hidden + units - 1) / units;
  }
  static int64_t size(int64_t hidden, int64_t depth, int blocks, int wide) {
    return groups(hidden, wide) * depth * blocks * wide * kLanes<T>;
  }
};

// For h·Wᵀ: panel[k][block][unit] = W[block·hidden + unit][k], zero beyond the last unit. So many blocks as are `joined`
// lie side by side, the others behind them in the same way.
template <class T>
void pack_forward(const T* weight, T* panel, int64_t group, int64_t hidden, int64_t depth, int blocks, int joined,
                  int wide) {
  constexpr int64_t L = kLanes<T>;
  const int64_t units = wide * L, width = units * blocks, line = units * joined;
  panel += group * depth * width;
  for (int64_t column = 0; column < width; column += L) {
    const int64_t unit = group * units + column % units, row = column / units * hidden + unit;
    for (int64_t k = 0; k < depth; k += L) {
      const int n = static_cast<int>(std::min(L, depth - k));
      Vec<T> square[L];
      for (int64_t j = 0; j < L; ++j)
        square[j] = unit + j < hidden ? load(weight + (row + j) * depth + k, n) : Vec<T>{};
      transpose<T>(square);
      T* const to = panel + column / line * depth * line + column % line;
      for (int j = 0; j < n; ++j) store(to + (k + j) * line, square[j], static_cast<int>(L));
    }
  }
}

// For d·W: panel[k][unit] = W[k][unit], zero beyond the last unit.
template <class T>
void pack_backward(const T* weight, T* panel, int64_t group, int64_t hidden, int64_t depth, int wide) {
  const int64_t units = static_cast<int64_t>(wide) * kLanes<T>, from = group * units;
  const int64_t real = std::min(units, hidden - from);
  panel += group * depth * units;
  for (int64_t k = 0; k < depth; ++k, panel += units) {
    std::memcpy(panel, weight + k * hidden + from, real * sizeof(T));
    for (int64_t j = real; j < units; ++j) panel[j] = T(0);
  }
}

// Bytes that the cache next to a core holds beside what else is in use.
inline int64_t near() {
#ifdef _SC_LEVEL2_CACHE_SIZE
  static const int64_t size = std::max<int64_t>(sysconf(_SC_LEVEL2_CACHE_SIZE), 1 << 18);
#else
  static const int64_t size = 1 << 18;
#endif
  return size / 4 * 3;
}

}  // namespace ELMAN_VARIANT
