// The walk along time, forwards and backwards, for one thread of a team.
//
// While many sequences run, each thread owns some of them and no thread waits for another; who is done
// takes some of another's (crew.h). When only a few are left, the threads of a team share them all, split
// the units, and meet after every step. With panels so small that a meeting costs more than it saves, they
// never do. With panels that no near cache holds they do from the first step on, for then each reads its
// own part alone: where vectors are so wide that reading takes longer than multiplying.
#pragma once

#include "cells.h"

namespace ELMAN_VARIANT {

constexpr int64_t kFew = 8;           // running sequences below which a team splits units instead
constexpr int64_t kSmall = 1 << 17;  // bytes of panels up to which it does not

// The shape of the register tile: M sequences × wide vectors of units for each block.
template <class Cell, bool kBackward>
struct Shape {
  static constexpr bool kMany = kRegisters == 32;
  static constexpr int kBlocks = kBackward ? 1 : Cell::kBlocks;
  static constexpr int wide = !kMany ? 2 : kBlocks > 1 ? 1 : 4;
  static constexpr int N = kBlocks * wide;
  static constexpr int M = !kMany || N == 4 ? 6 : 8;
  // Blocks that are multiplied in one go, and lie side by side in a panel: all, where there are registers for them.
  static constexpr int kJoined = kMany ? kBlocks : 1, kGoes = kBlocks / kJoined;
};

template <class T, class Cell>
struct Walker {
  const elman_scan& scan;
  const Way<T> on;
  const T* panels;
  const T* projection;  // forward: the panels of W_ih, where each tile projects its own steps; else null
  const T* bias;        // of the projection
  bool as_it_is;        // backward: whole panels are read where the weights are
  bool far;             // the panels are more than a near cache holds

  static constexpr int kLane = kLanes<T>;

  // --- forwards; after a step, what is to come then ---

  template <class After>
  void forward(const Rows& rows, int64_t from, int64_t to, int64_t first, int64_t last, const After& after) const {
    constexpr int M = Shape<Cell, false>::M;
    for (int64_t s = from; s < to; ++s) {
      const int64_t active = rows.longer_than(s);
      for (int64_t group = first; group < last; ++group) {
        const int64_t then = group + 1 < last ? group + 1 : first;
        tiles_of<M>(0, active, [&](int64_t i, int count) { forward_tile(rows, i, count, active, s, group, then); });
      }
      after(s + 1);
    }
  }

  // --- backwards ---

  template <class After>
  void backward(const Rows& rows, int64_t from, int64_t to, int64_t first, int64_t last, const After& after) const {
    for (int64_t s = to - 1; s >= from; --s) {
      const int64_t active = rows.longer_than(s), next = rows.longer_than(s + 1);
      for (int64_t group = first; group < last; ++group) {
        const int64_t then = group + 1 < last ? group + 1 : first;
        backward_tiles<kFollowed>(rows, 0, next, s, group, then);
        backward_tiles<kLast>(rows, next, active, s, group, then);
      }
      after(s);
    }
    if (from > 0 || !scan.need_initial) return;
    for (int64_t group = first; group < last; ++group)
      backward_tiles<kInitial>(rows, 0, rows.longer_than(0), 0, group, group);
  }

 private:
  // A step that another follows, the last one of a sequence, and the state before the first.
  enum Kind { kFollowed, kLast, kInitial };

  // Rows in tiles of M at most: no tile of one or two beside full ones, for it waits for its own sums.
  template <int M, class Tile>
  static void tiles_of(int64_t from, int64_t to, const Tile& tile) {
    for (int64_t left = (to - from + M - 1) / M, i = from; left > 0; --left) {
      const int count = static_cast<int>((to - i + left - 1) / left);
      tile(i, count), i += count;
    }
  }

  int lanes(int64_t unit) const { return static_cast<int>(std::min<int64_t>(kLane, scan.hidden - unit)); }

  // A tile's product; of a panel that is half empty, because the units end in it, with the half that is not.
  template <class S>
  void product(int64_t unit, int count, Vec<T>* acc, const T* const* a, int64_t depth, const T* panel, Ahead ahead,
               int64_t stride = S::kJoined * S::wide * kLane) const {
    constexpr int half = S::wide / 2;
    if constexpr (S::kJoined == 1 && half > 0)
      if (scan.hidden - unit <= half * kLane) {
        for (int go = 0; go < S::kGoes; ++go)
          multiply<T, S::M, half, S::N>(count, acc + go * S::wide, a, depth, panel + go * depth * stride, stride,
                                        {ahead.at + go * depth * ahead.step, ahead.step});
        return;
      }
    int go = 0;
    if constexpr (S::kGoes > 1)  // few sequences: two blocks at once, or a sum would wait for itself
      for (; count <= S::M / 2 && go + 2 <= S::kGoes; go += 2)
        multiply<T, S::M / 2, 2 * S::wide, S::N, S::wide>(count, acc + go * S::wide, a, depth, panel + go * depth * stride,
                                                          stride, {ahead.at + go / 2 * depth * ahead.step, ahead.step},
                                                          depth * stride);
    for (; go < S::kGoes; ++go)
      multiply<T, S::M, S::kJoined * S::wide, S::N>(count, acc + go * S::wide, a, depth, panel + go * depth * stride,
                                                    stride, {ahead.at + go * depth * ahead.step, ahead.step});
  }

  // A tile's share of the panel after this one, where each comes from far in every step.
  template <class S>
  __attribute__((always_inline)) inline Ahead ahead(const T* of, int64_t depth, int64_t group, int64_t i, int64_t active) const {
    if (!far || !of) return {nullptr, 0};
    const int64_t line = 64, bytes = depth * S::N * kLane * sizeof(T), tiles = (active + S::M - 1) / S::M;
    const char* const panel = reinterpret_cast<const char*>(of) + group * bytes;
    const int64_t all = S::kGoes * depth, step = std::min<int64_t>(line, bytes / (tiles * all));
    return {panel + i * tiles / active * all * step, step};
  }

  // What a tile starts from: the projection of its steps, made here or before. `inside` is that of the block under
  // a gate, where the tile starts from a bias instead.
  template <class S>
  void project(int64_t unit, int count, const int64_t* row, Vec<T>* acc, Vec<T>* inside, const T* panel,
               Ahead ahead) const {
    constexpr int N = S::N, wide = S::wide;
    const T* x[S::M] = {};
    for (int block = 0; block < Cell::kBlocks; ++block)
      for (int w = 0; w < wide; ++w) {
        const int64_t at = block * scan.hidden + unit + w * kLane;
        const int n = std::max(lanes(unit + w * kLane), 0);
        const Vec<T> start = panel && n ? load(bias + at, n) : Vec<T>{};
        for (int m = 0; m < count; ++m)
          acc[m * N + block * wide + w] =
              panel || !n ? start : load(on.start(row[m], Cell::kBlocks) + at, n);
      }
    if (panel) {
      for (int m = 0; m < count; ++m) x[m] = static_cast<const T*>(scan.x) + row[m] * scan.input;
      product<S>(unit, count, acc, x, scan.input, panel, ahead);
    }
    if (Cell::kInside < 0) return;
    for (int w = 0; w < wide; ++w) {
      const int64_t at = unit + w * kLane;
      const int n = std::max(lanes(at), 0);
      const T* const from = on.inner_bias(Cell::kInside);
      const Vec<T> start = from && n ? load(from + at, n) : Vec<T>{};
      for (int m = 0; m < count; ++m) {
        Vec<T>& of = acc[m * N + Cell::kInside * wide + w];
        inside[m * wide + w] = of, of = start;
      }
    }
  }

  // Asks for this tile's part of the inputs of the next step.
  ELMAN_ASKS void fetch_inputs(const Rows& rows, int64_t i, int count, int64_t s, int64_t group, int64_t groups) const {
    const int64_t line = 64 / sizeof(T), lines = (scan.input + line - 1) / line;
    for (int m = 0; m < count; ++m) {
      if (s + 1 >= rows.length[i + m]) continue;
      const T* const next = static_cast<const T*>(scan.x) + rows.row(i + m, s + 1) * scan.input;
      for (int64_t at = lines * group / groups; at < lines * (group + 1) / groups; ++at)
        __builtin_prefetch(next + at * line);
    }
  }

  void forward_tile(const Rows& rows, int64_t i, int count, int64_t active, int64_t s, int64_t group,
                    int64_t then) const {
    using S = Shape<Cell, false>;
    constexpr int N = S::N, wide = S::wide;
    const int64_t hidden = scan.hidden, unit = group * wide * kLane, width = N * kLane;
    int64_t row[S::M], before[S::M];
    Vec<T> acc[S::M * N], inside[S::M * wide];
    const T* a[S::M] = {};
    for (int m = 0; m < count; ++m) {
      row[m] = rows.row(i + m, s);
      before[m] = s > 0 ? rows.row(i + m, s - 1) : -1;
      a[m] = on.h_before(before[m], rows.sequence[i + m]);
      fetch_forward(on, row[m], before[m], unit);
      if (projection && on.keep) fetch_gates<Cell>(on, row[m], unit);
    }
    if (projection) fetch_inputs(rows, i, count, s, group, Panels<T>::groups(hidden, wide));
    project<S>(unit, count, row, acc, inside, projection ? projection + group * scan.input * width : nullptr,
               ahead<S>(projection, scan.input, then, i, active));
    // What the next tile starts from.
    const bool more = i + count < active;
    for (int64_t m = more ? i + count : 0, end = projection ? 0 : std::min(m + S::M, active); m < end; ++m)
      fetch_projected<Cell>(on, rows.row(m, s), more ? unit : unit + wide * kLane);
    if (s > 0 || on.initial(0))
      product<S>(unit, count, acc, a, hidden, panels + group * hidden * width,
                 ahead<S>(panels, hidden, then, i, active));
    for (int w = 0; w < wide; ++w) {
      const int64_t at = unit + w * kLane;
      const int n = lanes(at);
      if (n <= 0) break;
      for (int m = 0; m < count; ++m)
        Cell::open(acc + m * N + w, wide, inside[m * wide + w], on, row[m], before[m], rows.sequence[i + m], at, n);
      for (int m = 0; m < count; ++m)
        Cell::close(acc + m * N + w, wide, on, row[m], before[m], rows.sequence[i + m], at, n);
    }
  }

  template <Kind kind>
  void backward_tiles(const Rows& rows, int64_t from, int64_t to, int64_t s, int64_t group, int64_t then) const {
    constexpr int M = Shape<Cell, true>::M;
    tiles_of<M>(from, to, [&](int64_t i, int count) {
      backward_tile<kind>(rows, i, count, s, group,
                          ahead<Shape<Cell, true>>(as_it_is ? nullptr : panels, Cell::kBlocks * scan.hidden, then, i, to));
    });
  }

  template <Kind kind>
  void backward_tile(const Rows& rows, int64_t i, int count, int64_t s, int64_t group, Ahead ahead) const {
    using S = Shape<Cell, true>;
    constexpr int N = S::N, G = Cell::kBlocks, D = Cell::kGradBlocks;
    const int64_t hidden = scan.hidden, unit = group * N * kLane;
    T* carry[2] = {static_cast<T*>(on.way.grad_initial[0]), static_cast<T*>(on.way.grad_initial[1])};
    const T* grad = static_cast<const T*>(on.way.grad_outputs);
    int64_t row[S::M], before[S::M];
    Vec<T> acc[S::M * N];
    const T* a[S::M] = {};
    for (int m = 0; m < count; ++m) {
      row[m] = rows.row(i + m, s);
      before[m] = s > 0 ? rows.row(i + m, s - 1) : -1;
      if (kind != kLast) a[m] = on.grad_gates() + rows.row(i + m, kind == kFollowed ? s + 1 : 0) * D * hidden;
      for (int w = 0; w < N; ++w) {
        const int64_t at = unit + w * kLane;
        const int n = lanes(at);
        acc[m * N + w] = Vec<T>{};
        if (n <= 0) continue;
        if (kind != kInitial && grad) acc[m * N + w] += load(grad + row[m] * on.grad_stride + at, n);
        if (kind == kLast || Cell::kCarries)
          acc[m * N + w] += load(carry[0] + rows.sequence[i + m] * hidden + at, n);
      }
    }
    if (kind != kLast) {
      const bool weights = as_it_is && unit + N * kLane <= hidden;
      const T* const panel =
          weights ? static_cast<const T*>(on.way.weight_hh) + unit : panels + group * G * hidden * N * kLane;
      const int64_t stride = weights ? hidden : N * kLane;
      const int64_t depth = Cell::kInside < 0 ? G * hidden : Cell::kInside * hidden;
      // In parts, and between them some rows of what will be needed: all of it at once would have to wait.
      const int64_t parts = std::clamp<int64_t>(depth / 64, 1, S::M), part = (depth + parts - 1) / parts;
      const int each = static_cast<int>((count + parts - 1) / parts);
      int fetched = kind == kInitial ? count : 0;
      for (int64_t k = 0; k < depth; k += part) {
        for (const int end = std::min(fetched + each, count); fetched < end; ++fetched)
          fetch_backward<Cell>(on, row[fetched], before[fetched], unit);
        product<S>(unit, count, acc, a, std::min(part, depth - k), panel + k * stride,
                   {ahead.at + k * ahead.step, ahead.step}, stride);
        for (int m = 0; m < count; ++m) a[m] += std::min(part, depth - k);
      }
      if (Cell::kInside >= 0) {  // the block under the gate: its gradient lies behind all the others
        for (int m = 0; m < count; ++m) a[m] += G * hidden - depth;
        product<S>(unit, count, acc, a, hidden, panel + depth * stride,
                   {ahead.at + depth * ahead.step, ahead.step}, stride);
      }
    }
    for (int w = 0; w < N; ++w) {
      const int64_t at = unit + w * kLane;
      const int n = lanes(at);
      if (n <= 0) break;
      for (int m = 0; m < count; ++m) {
        const int64_t sequence = rows.sequence[i + m], place = sequence * hidden + at;
        if (kind == kInitial)
          store(carry[0] + place, acc[m * N + w], n);
        else
          Cell::backward(acc[m * N + w], carry, on, row[m], before[m], sequence, at, n);
      }
    }
  }
};

}  // namespace ELMAN_VARIANT
