// The walk along time on the matrix unit: 32 sequences at a time against 32 units of every block.
//
// A team shares all sequences and splits the units; its threads meet after every step. Forwards every thread leaves
// the states of its units in tiles, and all read them. Backwards the gradients of four gates would be too much to
// read: every thread multiplies those of its own units alone, and leaves what they add to the states before.
#pragma once

#include "scan.h"
#include "tiles.h"

namespace ELMAN_VARIANT {

// Sizes in float32 numbers: the weights of a direction, and for `batch` sequences what a team shares or one thread has.
template <class Cell, bool kBackward>
struct TiledSizes {
  static constexpr int64_t kSide = 32;
  static int64_t pair(int64_t depth) { return pieces(depth, kSide) * 3 * 512; }
  static int64_t groups(int64_t hidden) { return pieces(hidden, kSide); }
  static int64_t weights(int64_t hidden) { return groups(hidden) * Cell::kBlocks * pair(hidden); }
  static int64_t shared(int64_t batch, int64_t hidden, int parts) {
    return 2 * pieces(batch, kSide) * (kBackward ? parts * groups(hidden) * kSide * kSide : pair(hidden));
  }
  static int64_t own(int64_t batch, int64_t hidden) {
    return kBackward ? pieces(batch, kSide) * Cell::kBlocks * pair(hidden) : 0;
  }
};

template <class Cell>
struct TiledWalker;

#ifdef __AMX_BF16__

template <class Cell>
struct TiledWalker {
  using Half = Tiles::Half;
  static constexpr int64_t kSide = Tiles::kSide, kRows = Tiles::kRows, kThree = Tiles::kThree;
  static constexpr int G = Cell::kBlocks, D = Cell::kGradBlocks;

  const elman_scan& scan;
  const Way<float> on;
  const float* weights;
  float *shared, *own;
  Tiles& tiles;
  int part, parts;
  int64_t first, last;  // the groups of 32 units that are this thread's

  TiledWalker(const elman_scan& scan, const Way<float>& on, const float* weights, float* shared, float* own,
              Tiles& tiles, int part, int parts)
      : scan(scan), on(on), weights(weights), shared(shared), own(own), tiles(tiles), part(part), parts(parts),
        first(groups() * part / parts), last(groups() * (part + 1) / parts) {}

  // The weights of a group, forwards the rows of its units, backwards its columns.
  template <bool kBackward>
  static void lay_weights(const float* matrix, float* to, int64_t group, int64_t hidden) {
    for (int block = 0; block < G; ++block) {
      float* const base = to + (group * (G - 1) + block) * Tiles::pair_size(hidden);
      if (kBackward)
        Tiles::lay_columns(matrix + block * hidden * hidden, base, group, hidden, hidden);
      else
        Tiles::lay_rows(matrix + block * hidden * hidden, base, group, hidden, hidden);
    }
  }

  // `meet` waits for the others of the team.
  template <class Meet>
  void forward(const Rows& rows, int64_t to, const Meet& meet) {
    for (const int parity : {0, 1})
      clear_rest(rows, [&](int64_t m, int64_t at) { Tiles::lay_half(state(parity, m, at), Vec<float>{}); });
    if (on.initial(0))
      for (int64_t m = 0; m < rows.longer_than(0); ++m)
        for (int64_t at = first * kRows; at < end(); at += kSide)
          Tiles::lay_half(state(1, m, at), load(on.h_before(-1, rows.sequence[m]) + at, lanes(at)));
    meet();
    for (int64_t s = 0; s < to; ++s) {
      const int64_t active = rows.longer_than(s);
      for (int64_t group = first; group < last; ++group)
        for (int64_t i = 0; i < active; i += kRows) forward_block(rows, i, std::min(kRows, active - i), s, group);
      meet();
    }
  }

  template <class Meet>
  void backward(const Rows& rows, int64_t to, const Meet& meet) {
    for (int block = 0; block < G; ++block) {
      clear_rest(rows, [&](int64_t m, int64_t at) { Tiles::lay_half(gradient(m, block, at), Vec<float>{}); });
      for (int64_t m = 0; m < rows.longer_than(to); ++m)
        for (int64_t at = first * kRows; at < end(); at += kSide)
          Tiles::lay_half(gradient(m, block, at), seen(rows.row(m, to), block, at));
    }
    for (int64_t s = to - 1; s >= 0; --s) {
      const int64_t active = rows.longer_than(s), next = rows.longer_than(s + 1);
      for (int64_t group = 0; group < groups(); ++group)
        for (int64_t i = 0; i < next; i += kRows) multiply_gradients(i, std::min(kRows, next - i), s, group);
      meet();
      for (int64_t at = first * kRows; at < end(); at += kSide) backward_units(rows, active, next, s, at);
    }
  }

 private:
  int64_t groups() const { return Tiles::groups(scan.hidden); }
  int lanes(int64_t unit) const { return static_cast<int>(std::clamp<int64_t>(scan.hidden - unit, 0, kSide)); }
  // Where this thread's units end.
  int64_t end() const { return std::min(last * kRows, scan.hidden); }
  // Half of the last run may have no units: it is multiplied all the same.
  template <class Clear>
  void clear_rest(const Rows& rows, const Clear& clear) const {
    for (int64_t at = pieces(scan.hidden, kSide) * kSide; at < last * kRows; at += kSide)
      for (int64_t m = 0; m < rows.longer_than(0); ++m) clear(m, at);
  }
  int64_t blocks() const { return pieces(scan.batch, kRows); }

  // Where the parts of unit `at` of the m-th sequence's state are, of an even or an odd step.
  Half* state(int64_t s, int64_t m, int64_t at) const {
    Half* const of = Tiles::halves(shared + (s & 1) * blocks() * Tiles::pair_size(scan.hidden));
    return of + (m / kSide * groups() + at / kRows) * kThree + m % kSide * kRows + at % kRows;
  }
  Half* gradient(int64_t m, int block, int64_t at) const {
    const int64_t runs = last - first;
    return Tiles::halves(own) + ((m / kSide * G + block) * runs + at / kRows - first) * kThree +
           m % kSide * kRows + at % kRows;
  }
  // The gradient that the product sees: of a block under a gate, what lies behind all the others.
  Vec<float> seen(int64_t row, int block, int64_t at) const {
    return load(on.grad_gates() + (row * D + (block == Cell::kInside ? G : block)) * scan.hidden + at, lanes(at));
  }
  // What a part adds to the states of 32 sequences and 32 units: [half][sequence][16].
  float* added(int64_t s, int of, int64_t i, int64_t group) const {
    return shared + ((((s & 1) * parts + of) * blocks() + i / kRows) * groups() + group) * kRows * kRows;
  }

  void forward_block(const Rows& rows, int64_t i, int64_t count, int64_t s, int64_t group) {
    alignas(64) float found[G][kRows * kRows];
    const int64_t hidden = scan.hidden, runs = groups(), unit = group * kRows;
    int64_t row[kRows], before[kRows];
    for (int64_t m = 0; m < count; ++m) row[m] = rows.row(i + m, s), before[m] = s > 0 ? rows.row(i + m, s - 1) : -1;
    const bool product = s > 0 || on.initial(0);
    tiles.configure(count);
    for (int block = 0; block < G; ++block) {
      for (int64_t m = 0; m < count; ++m)
        for (int64_t at = unit; at < unit + kRows; at += kSide) {
          fetch_start<Cell>(on, row[m], block, at);
          if (block == 0) fetch_forward(on, row[m], before[m], at);
        }
      if (!product) continue;
      const Half* const left = state(s + 1, i, 0);
      Tiles::begin();
      Tiles::add(left, left + runs * kThree,
                 Tiles::halves(weights + (group * G + block) * Tiles::pair_size(hidden)), runs);
      Tiles::end(found[block]);
    }
    for (int half = 0; half < 2 && lanes(unit + half * kSide); ++half) {
      const int64_t at = unit + half * kSide;
      const int n = lanes(at);
      Vec<float> acc[kRows][G];
      for (int64_t m = 0; m < count; ++m) {
        for (int block = 0; block < G; ++block) {
          const float* from = on.start(row[m], G) + block * hidden;
          if (Cell::kInside == block) from = on.inner_bias(Cell::kInside);
          acc[m][block] = from ? load(from + at, n) : Vec<float>{};
          if (product) acc[m][block] += load(found[block] + (half * kRows + m) * kSide, kSide);
        }
        Vec<float> inside{};
        if constexpr (Cell::kInside >= 0) inside = load(on.start(row[m], G) + Cell::kInside * hidden + at, n);
        Cell::open(acc[m], 1, inside, on, row[m], before[m], rows.sequence[i + m], at, n);
      }
      for (int64_t m = 0; m < count; ++m)
        Tiles::lay_half(state(s, i + m, at),
                        Cell::close(acc[m], 1, on, row[m], before[m], rows.sequence[i + m], at, n));
    }
  }

  void multiply_gradients(int64_t i, int64_t count, int64_t s, int64_t group) {
    const int64_t runs = last - first, size = Tiles::pair_size(scan.hidden);
    tiles.configure(count);
    Tiles::begin();
    for (int block = 0; block < G; ++block) {
      const Half* const left = gradient(i, block, first * kRows);
      Tiles::add(left, left + G * runs * kThree,
                 Tiles::halves(weights + (group * G + block) * size) + first * 2 * kThree, runs);
    }
    Tiles::end(added(s, part, i, group));
  }

  void backward_units(const Rows& rows, int64_t active, int64_t next, int64_t s, int64_t at) {
    float* const carry[2] = {static_cast<float*>(on.way.grad_initial[0]), static_cast<float*>(on.way.grad_initial[1])};
    const float* const grad = static_cast<const float*>(on.way.grad_outputs);
    const int n = lanes(at);
    const int64_t then = at + kSide;
    const bool more = then < end();
    for (int64_t m = 0; m < active; ++m) {
      const int64_t sequence = rows.sequence[m], row = rows.row(m, s), before = s > 0 ? rows.row(m, s - 1) : -1;
      if (more)
        fetch_backward<Cell>(on, row, before, then);
      else if (s > 0)
        fetch_backward<Cell>(on, before, s > 1 ? rows.row(m, s - 2) : -1, first * kRows);
      Vec<float> dh{};
      if (grad) dh += load(grad + row * on.grad_stride + at, n);
      if (m >= next || Cell::kCarries) dh += load(carry[0] + sequence * scan.hidden + at, n);
      if (m < next)
        for (int of = 0; of < parts; ++of)
          dh += load(added(s, of, m, at / kRows) + (at / kSide % 2 * kRows + m % kRows) * kSide, kSide);
      Cell::backward(dh, carry, on, row, before, sequence, at, n);
      for (int block = 0; block < G; ++block) Tiles::lay_half(gradient(m, block, at), seen(row, block, at));
    }
  }
};

#endif

}  // namespace ELMAN_VARIANT
