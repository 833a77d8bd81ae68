// One step of each cell on a tile of M sequences × one vector of units, and the same step backwards.
// `acc` comes from the register tile: one vector for each block going forward, one alone going back. A step forward
// opens for all sequences of a tile and closes for all of them: what a sequence waits for is done for the others.
#pragma once

#include "walk.h"

namespace ELMAN_VARIANT {

template <class T>
struct Way {  // an elman_direction with its types
  const elman_direction& way;
  int64_t hidden, out_stride, grad_stride;
  bool keep;
  const T* starts;       // forwards: what steps start from, by row of x; where each has its own, the gates
  const int64_t* reads;  // which row that is; null for each its own
  const T* start(int64_t row, int blocks) const { return starts + (reads ? reads[row] : row) * blocks * hidden; }
  T* gates() const { return static_cast<T*>(way.gates); }
  T* outputs() const { return static_cast<T*>(way.outputs); }
  T* cells() const { return static_cast<T*>(way.cells); }
  T* candidates() const { return static_cast<T*>(way.candidates); }
  T* grad_gates() const { return static_cast<T*>(way.grad_gates); }
  // The bias of the block that is under a gate.
  const T* inner_bias(int block) const {
    return way.bias_hh ? static_cast<const T*>(way.bias_hh) + block * hidden : nullptr;
  }
  const T* initial(int n) const { return static_cast<const T*>(way.initial[n]); }
  // The output of the step before, or the initial state; null for zeros.
  const T* h_before(int64_t before, int64_t sequence) const {
    if (before >= 0) return outputs() + before * out_stride;
    return initial(0) ? initial(0) + sequence * hidden : nullptr;
  }
  T* c_row(int64_t row, int64_t sequence) const { return cells() + (keep ? row : sequence) * hidden; }
  const T* c_before(int64_t before, int64_t sequence) const {
    if (before >= 0) return c_row(before, sequence);
    return initial(1) ? initial(1) + sequence * hidden : nullptr;
  }
};

// Asks for the numbers of a step that its tile will need once its product is done: they come from far.
template <class T>
ELMAN_ASKS void fetch_forward(const Way<T>& on, int64_t row, int64_t before, int64_t unit) {
  __builtin_prefetch(on.outputs() + row * on.out_stride + unit, 1);
  if (on.cells() && on.keep) {
    __builtin_prefetch(on.cells() + row * on.hidden + unit, 1);
    if (before >= 0) __builtin_prefetch(on.cells() + before * on.hidden + unit);
  }
  if (on.candidates()) __builtin_prefetch(on.candidates() + row * on.hidden + unit, 1);
}
// Of one block, what the step starts from, and where its gate goes.
template <class Cell, class T>
ELMAN_ASKS void fetch_start(const Way<T>& on, int64_t row, int block, int64_t unit) {
  if (on.reads) __builtin_prefetch(on.start(row, Cell::kBlocks) + block * on.hidden + unit);
  if (!on.reads || on.keep) __builtin_prefetch(on.gates() + (row * Cell::kBlocks + block) * on.hidden + unit, 1);
}
template <class Cell, class T>
ELMAN_ASKS void fetch_projected(const Way<T>& on, int64_t row, int64_t unit) {
  for (int block = 0; block < Cell::kBlocks; ++block) fetch_start<Cell>(on, row, block, unit);
}
// And where the gates go alone, of a tile that projects its own steps.
template <class Cell, class T>
ELMAN_ASKS void fetch_gates(const Way<T>& on, int64_t row, int64_t unit) {
  for (int block = 0; block < Cell::kBlocks; ++block)
    __builtin_prefetch(on.gates() + (row * Cell::kBlocks + block) * on.hidden + unit, 1);
}
template <class Cell, class T>
ELMAN_ASKS void fetch_backward(const Way<T>& on, int64_t row, int64_t before, int64_t unit) {
  const int64_t hidden = on.hidden;
  for (int block = 0; block < Cell::kBlocks; ++block)
    __builtin_prefetch(on.gates() + (row * Cell::kBlocks + block) * hidden + unit);
  for (int block = 0; block < Cell::kGradBlocks; ++block)
    __builtin_prefetch(on.grad_gates() + (row * Cell::kGradBlocks + block) * hidden + unit, 1);
  for (const T* of : {on.cells(), on.candidates()})
    if (of) __builtin_prefetch(of + row * hidden + unit);
  if (before < 0) return;
  if (on.cells()) __builtin_prefetch(on.cells() + before * hidden + unit);
  if (on.candidates()) __builtin_prefetch(on.outputs() + before * on.out_stride + unit);
  if (const T* grad = static_cast<const T*>(on.way.grad_outputs))
    __builtin_prefetch(grad + before * on.grad_stride + unit);
}

template <class T>
inline Vec<T> load_or_zero(const T* from, int64_t unit, int n) {
  return from ? load(from + unit, n) : Vec<T>{};
}

template <class T, bool kRelu>
struct Rnn {
  static constexpr int kBlocks = 1, kGradBlocks = 1, kInside = -1;
  static constexpr bool kCarries = false;
  static inline void open(Vec<T>*, int, Vec<T>, const Way<T>&, int64_t, int64_t, int64_t, int64_t, int) {}
  static inline Vec<T> close(const Vec<T>* acc, int, const Way<T>& on, int64_t row, int64_t, int64_t, int64_t unit,
                             int n) {
    Vec<T> h = acc[0];
    if (kRelu)
      h = h < T(0) ? Vec<T>{} : h;  // as written, NaN stays NaN
    else
      h = tanh(h);
    store(on.outputs() + row * on.out_stride + unit, h, n);
    if (on.keep) store(on.gates() + row * on.hidden + unit, h, n);
    return h;
  }
  static inline void backward(Vec<T> dh, T* const*, const Way<T>& on, int64_t row, int64_t, int64_t,
                              int64_t unit, int n) {
    const Vec<T> h = load(on.gates() + row * on.hidden + unit, n);
    const Vec<T> d = kRelu ? (h > T(0) ? dh : Vec<T>{}) : dh * (T(1) - h * h);
    store(on.grad_gates() + row * on.hidden + unit, d, n);
  }
};

template <class T>
struct Lstm {
  static constexpr int kBlocks = 4, kGradBlocks = 4, kInside = -1;
  static constexpr bool kCarries = false;
  static inline void open(Vec<T>* acc, int apart, Vec<T>, const Way<T>& on, int64_t row, int64_t before,
                          int64_t sequence, int64_t unit, int n) {
    const Vec<T> i = sigmoid(acc[0]), f = sigmoid(acc[apart]);
    const Vec<T> g = tanh(acc[2 * apart]), o = sigmoid(acc[3 * apart]);
    const Vec<T> c = f * load_or_zero(on.c_before(before, sequence), unit, n) + i * g;
    store(on.c_row(row, sequence) + unit, c, n);
    acc[0] = c, acc[3 * apart] = o;
    if (!on.keep) return;
    T* gates = on.gates() + row * 4 * on.hidden + unit;
    store(gates, i, n), store(gates + on.hidden, f, n);
    store(gates + 2 * on.hidden, g, n), store(gates + 3 * on.hidden, o, n);
  }
  static inline Vec<T> close(const Vec<T>* acc, int apart, const Way<T>& on, int64_t row, int64_t, int64_t,
                             int64_t unit, int n) {
    const Vec<T> h = acc[3 * apart] * tanh(acc[0]);
    store(on.outputs() + row * on.out_stride + unit, h, n);
    return h;
  }
  static inline void backward(Vec<T> dh, T* const* carry, const Way<T>& on, int64_t row, int64_t before,
                              int64_t sequence, int64_t unit, int n) {
    const int64_t hidden = on.hidden;
    const T* gates = on.gates() + row * 4 * hidden + unit;
    const Vec<T> i = load(gates, n), f = load(gates + hidden, n);
    const Vec<T> g = load(gates + 2 * hidden, n), o = load(gates + 3 * hidden, n);
    const Vec<T> t = tanh(load(on.c_row(row, sequence) + unit, n));
    const Vec<T> c = load_or_zero(on.c_before(before, sequence), unit, n);
    T* memory = carry[1] + sequence * hidden + unit;
    const Vec<T> dc = load(memory, n) + dh * o * (T(1) - t * t);
    const Vec<T> di = dc * g * i * (T(1) - i), df = dc * c * f * (T(1) - f);
    const Vec<T> dg = dc * i * (T(1) - g * g), d_o = dh * t * o * (T(1) - o);
    store(memory, dc * f, n);
    T* out = on.grad_gates() + row * 4 * hidden + unit;
    store(out, di, n), store(out + hidden, df, n);
    store(out + 2 * hidden, dg, n), store(out + 3 * hidden, d_o, n);
  }
};

template <class T>
struct Gru {
  static constexpr int kBlocks = 3, kGradBlocks = 4;
  static constexpr int kInside = 2;     // this block is under a gate of its own: n = tanh(x + r·(W·h + b))
  static constexpr bool kCarries = true;  // dh·z goes past the product
  static inline void open(Vec<T>* acc, int apart, Vec<T> inside, const Way<T>& on, int64_t row, int64_t, int64_t,
                          int64_t unit, int n) {
    const Vec<T> r = sigmoid(acc[0]), z = sigmoid(acc[apart]), w = acc[2 * apart];
    acc[2 * apart] = inside + r * w, acc[apart] = z;
    if (!on.keep) return;
    T* gates = on.gates() + row * 3 * on.hidden + unit;
    store(gates, r, n), store(gates + on.hidden, z, n);
    store(on.candidates() + row * on.hidden + unit, w, n);
  }
  static inline Vec<T> close(const Vec<T>* acc, int apart, const Way<T>& on, int64_t row, int64_t before,
                             int64_t sequence, int64_t unit, int n) {
    const Vec<T> c = tanh(acc[2 * apart]);
    const Vec<T> h = c + acc[apart] * (load_or_zero(on.h_before(before, sequence), unit, n) - c);
    store(on.outputs() + row * on.out_stride + unit, h, n);
    if (on.keep) store(on.gates() + (row * 3 + 2) * on.hidden + unit, c, n);
    return h;
  }
  static inline void backward(Vec<T> dh, T* const* carry, const Way<T>& on, int64_t row, int64_t before,
                              int64_t sequence, int64_t unit, int n) {
    const int64_t hidden = on.hidden;
    const T* gates = on.gates() + row * 3 * hidden + unit;
    const Vec<T> r = load(gates, n), z = load(gates + hidden, n), c = load(gates + 2 * hidden, n);
    const Vec<T> w = load(on.candidates() + row * hidden + unit, n);
    const Vec<T> h = load_or_zero(on.h_before(before, sequence), unit, n);
    const Vec<T> dn = dh * (T(1) - z) * (T(1) - c * c);
    const Vec<T> dz = dh * (h - c) * z * (T(1) - z), dr = dn * w * r * (T(1) - r), dw = dn * r;
    store(carry[0] + sequence * hidden + unit, dh * z, n);
    T* out = on.grad_gates() + row * 4 * hidden + unit;
    store(out, dr, n), store(out + hidden, dz, n);
    store(out + 2 * hidden, dn, n), store(out + 3 * hidden, dw, n);
  }
};

}  // namespace ELMAN_VARIANT
