// One step of a stack of layers for one sequence or a few: what streams. The weights are read once, row by
// row as torch keeps them; they may be stored in fewer bits than the numbers that are computed with.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "helper.h"
#include "simd.h"

namespace ELMAN_VARIANT {

struct Bfloat16 {
  uint16_t bits;
};

// Some lanes of a row of weights, as numbers to compute with.
template <class T>
inline Vec<T> widen(const T* from, int n) {
  return load(from, n);
}
inline Vec<float> widen(const Bfloat16* from, int n) {
  typedef uint16_t Short __attribute__((vector_size(kBytes / 2), aligned(2), may_alias));
  typedef uint32_t Word __attribute__((vector_size(kBytes)));
  if (__builtin_expect(n == kLanes<float>, 1))
    return reinterpret_cast<Vec<float>>(__builtin_convertvector(*reinterpret_cast<const Short*>(from), Word) << 16);
  Word words{};
  for (int j = 0; j < n; ++j) words[j] = static_cast<uint32_t>(from[j].bits) << 16;
  return reinterpret_cast<Vec<float>>(words);
}
inline Vec<float> widen(const int8_t* from, int n) {
#if !defined(__AVX2__)
  typedef int8_t Byte __attribute__((vector_size(kBytes / 4), aligned(1), may_alias));
#endif
  if (__builtin_expect(n == kLanes<float>, 1))
#if defined(__AVX512F__)  // GCC makes a long way of it by itself
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
    return __builtin_convertvector(*reinterpret_cast<const Byte*>(from), Vec<float>);
#endif
  Vec<float> value{};
  for (int j = 0; j < n; ++j) value[j] = from[j];
  return value;
}

template <class T>
inline T total(Vec<T> value) {
  T sums[kLanes<T>];
  std::memcpy(sums, &value, sizeof(value));
#pragma GCC unroll 4
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) sums[j] += sums[j + half];
  return sums[0];
}

// out[row] = (out[row] if `more`) + scale[row]·(W[row]·x) + bias[row]
template <class T, class W>
void product(const W* weight, const T* scale, const T* bias, const T* x, int64_t rows, int64_t depth, bool more,
             T* out) {
  constexpr int kRows = 8;
  for (int64_t row = 0; row < rows; row += kRows) {
    const int count = static_cast<int>(std::min<int64_t>(kRows, rows - row));
    const W* w[kRows];
    Vec<T> sum[kRows];
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m) w[m] = weight + (row + std::min(m, count - 1)) * depth, sum[m] = Vec<T>{};
    int64_t k = 0;
    for (; k + kLanes<T> <= depth; k += kLanes<T>) {
      const Vec<T> one = load(x + k, kLanes<T>);
#pragma GCC unroll 8
      for (int m = 0; m < kRows; ++m) sum[m] += widen(w[m] + k, kLanes<T>) * one;
    }
    if (const int rest = static_cast<int>(depth - k)) {
      const Vec<T> one = load(x + k, rest);
      for (int m = 0; m < kRows; ++m) sum[m] += widen(w[m] + k, rest) * one;
    }
    for (int m = 0; m < count; ++m) {
      T value = total<T>(sum[m]);
      if (scale) value *= scale[row + m];
      if (bias) value += bias[row + m];
      out[row + m] = more ? out[row + m] + value : value;
    }
  }
}

// The same over panels of 64 rows: a vector is a number of each of several rows, and nothing is summed across.
constexpr int64_t kPanel = 64;

template <class T, class W>
void panel_product(const W* weight, const T* scale, const T* bias, const T* x, int64_t rows, int64_t depth, bool more,
                   T* out) {
  constexpr int L = kLanes<T>, V = kPanel / L > 8 ? 8 : kPanel / L;
  constexpr int U = V < 8 ? 2 : 1;  // so many sums that none waits for itself
  for (int64_t row = 0; row < rows; row += kPanel, weight += kPanel * depth)
    for (int64_t part = row; part < std::min(row + kPanel, rows); part += V * L) {
      const W* w = weight + (part - row);
      Vec<T> sum[U][V] = {};
      int64_t k = 0;
      for (; k + U <= depth; k += U) {
#pragma GCC unroll 2
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
          for (int v = 0; v < V; ++v) sum[u][v] += widen(w + (k + u) * kPanel + v * L, L) * x[k + u];
      }
      for (; k < depth; ++k)
        for (int v = 0; v < V; ++v) sum[0][v] += widen(w + k * kPanel + v * L, L) * x[k];
      for (int v = 0; v < V; ++v) {
        const int64_t at = part + v * L;
        const int n = static_cast<int>(std::min<int64_t>(L, rows - at));
        if (n <= 0) break;
        Vec<T> value = sum[0][v];
        for (int u = 1; u < U; ++u) value += sum[u][v];
        if (scale) value *= load(scale + at, n);
        if (bias) value += load(bias + at, n);
        if (more) value += load(out + at, n);
        store(out + at, value, n);
      }
    }
}

// Of 16-bit weights the numbers of two steps of the depth lie side by side, so that one load, one shift and one
// mask make two vectors: the low half of a word is the first, the high half the second.
template <>
inline void panel_product<float, Bfloat16>(const Bfloat16* weight, const float*, const float* bias, const float* x,
                                           int64_t rows, int64_t depth, bool more, float* out) {
  typedef uint32_t Word __attribute__((vector_size(kBytes), aligned(2), may_alias));
  constexpr int L = kLanes<float>, V = kPanel / L > 8 ? 8 : kPanel / L;
  const int64_t pairs = (depth + 1) / 2;
  for (int64_t row = 0; row < rows; row += kPanel, weight += 2 * kPanel * pairs)
    for (int64_t part = row; part < std::min(row + kPanel, rows); part += V * L) {
      const Bfloat16* w = weight + 2 * (part - row);
      Vec<float> first[V] = {}, second[V] = {};
      for (int64_t k = 0; k < pairs; ++k) {
        const float one = x[2 * k], two = 2 * k + 1 < depth ? x[2 * k + 1] : 0.0f;
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          const Word bits = *reinterpret_cast<const Word*>(w + 2 * (k * kPanel + v * L));
          first[v] += reinterpret_cast<Vec<float>>(bits << 16) * one;
          second[v] += reinterpret_cast<Vec<float>>(bits & 0xffff0000u) * two;
        }
      }
      for (int v = 0; v < V; ++v) {
        const int64_t at = part + v * L;
        const int n = static_cast<int>(std::min<int64_t>(L, rows - at));
        if (n <= 0) break;
        Vec<float> value = first[v] + second[v];
        if (bias) value += load(bias + at, n);
        if (more) value += load(out + at, n);
        store(out + at, value, n);
      }
    }
}

// One of a layer's two matrices, with the scales of its rows and its biases.
template <class T, class W>
struct Matrix {
  const W* weight;
  const T *scale, *bias;
  int64_t depth;
  bool panels;

  // out = (out if `more`) + W[first …]·x of some rows that begin a panel, of a matrix that begins at row `start`.
  void product(int64_t start, int64_t first, int64_t rows, const T* x, bool more, T* out) const {
    const int64_t row = start + first;
    // How many numbers of a row a panel holds: of 16-bit weights a pair more where they are odd.
    const int64_t deep = sizeof(W) == 2 ? (depth + 1) / 2 * 2 : depth;
    const T *s = scale ? scale + row : nullptr, *b = bias ? bias + row : nullptr;
    if (panels)
      panel_product<T, W>(weight + ((start + kPanel - 1) / kPanel * kPanel + first) * deep, s, b, x, rows, depth, more,
                          out + first);
    else
      ELMAN_VARIANT::product<T, W>(weight + row * depth, s, b, x, rows, depth, more, out + first);
  }
};

// What goes into the gates of a layer, in pieces of a panel that can be summed in any order.
template <class T, class W>
struct Sums {
  Matrix<T, W> ih, hh;
  const T *x, *h;
  int64_t hidden, rows, joined;  // rows of ih; those that go together with hh, of the GRU all but a block
  T* out;

  int64_t pieces() const { return panels(rows) + (joined < rows ? panels(hidden) : 0); }
  void piece(int64_t n) const {
    const int64_t first = n * kPanel, apart = first - panels(rows) * kPanel;
    if (apart >= 0)  // the GRU's third block: it is under the reset gate
      return hh.product(joined, apart, std::min(kPanel, hidden - apart), h, false, out + rows);
    ih.product(0, first, std::min(kPanel, rows - first), x, false, out);
    if (hh.weight && first < joined) hh.product(0, first, std::min(kPanel, joined - first), h, true, out);
  }
  void all(Helper* helper) const {
    const int64_t bytes = rows * (ih.depth + (hh.weight ? hidden : 0)) * static_cast<int64_t>(sizeof(W));
    if (helper && helper->worth(bytes)) {
      helper->share(pieces(), [](const void* of, int64_t n) { static_cast<const Sums*>(of)->piece(n); }, this);
      const int64_t count = rows + (joined < rows ? hidden : 0);
      for (int64_t k = 0; k < count; k += 64 / sizeof(T)) __builtin_prefetch(out + k);  // they come from the other core
      return;
    }
    for (int64_t n = 0; n < pieces(); ++n) piece(n);
  }

  static int64_t panels(int64_t rows) { return (rows + kPanel - 1) / kPanel; }
};

template <class T, class W>
struct Stepper {
  const elman_stepper& on;
  Helper* const helper;

  // A layer's step of one sequence: `in` goes in, `h` (and `c`) are replaced.
  void layer(const elman_step_layer& one, const T* in, T* h, T* c, T* p) const {
    const int64_t hidden = on.hidden, rows = blocks() * hidden;
    const auto matrix = [this](const void* weight, const void* scale, const void* bias, int64_t depth) {
      return Matrix<T, W>{static_cast<const W*>(weight), static_cast<const T*>(scale), static_cast<const T*>(bias),
                          depth, on.panels != 0};
    };
    const Matrix<T, W> ih = matrix(one.weight_ih, one.scale_ih, one.bias_ih, one.input);
    const Matrix<T, W> hh =
        on.cell >= ELMAN_MINGRU ? Matrix<T, W>{} : matrix(one.weight_hh, one.scale_hh, one.bias_hh, hidden);
    Sums<T, W>{ih, hh, in, h, hidden, rows, on.cell == ELMAN_GRU ? 2 * hidden : rows, p}.all(helper);
    for (int64_t j = 0; j < hidden; j += kLanes<T>) {
      const int n = static_cast<int>(std::min<int64_t>(kLanes<T>, hidden - j));
      const Vec<T> a = load(p + j, n);
      switch (on.cell) {
        case ELMAN_RNN_TANH: store(h + j, tanh(a), n); break;
        case ELMAN_RNN_RELU: store(h + j, a < T(0) ? Vec<T>{} : a, n); break;
        case ELMAN_LSTM: {
          const Vec<T> f = sigmoid(load(p + hidden + j, n)), g = tanh(load(p + 2 * hidden + j, n));
          const Vec<T> o = sigmoid(load(p + 3 * hidden + j, n));
          const Vec<T> next = f * load(c + j, n) + sigmoid(a) * g;
          store(c + j, next, n), store(h + j, o * tanh(next), n);
          break;
        }
        case ELMAN_GRU: {
          const Vec<T> r = sigmoid(a), z = sigmoid(load(p + hidden + j, n));
          const Vec<T> next = tanh(load(p + 2 * hidden + j, n) + r * load(p + 3 * hidden + j, n));
          store(h + j, next + z * (load(h + j, n) - next), n);
          break;
        }
        case ELMAN_MINGRU: {
          const Vec<T> z = sigmoid(a), before = load(h + j, n);
          store(h + j, before + z * (load(p + hidden + j, n) - before), n);
          break;
        }
        default: {  // minLSTM: the forget and the input gate, made to sum to one
          const Vec<T> f = sigmoid(a), i = sigmoid(load(p + hidden + j, n));
          store(h + j, (f * load(h + j, n) + i * load(p + 2 * hidden + j, n)) / (f + i), n);
        }
      }
    }
  }

  int blocks() const {
    switch (on.cell) {
      case ELMAN_RNN_TANH:
      case ELMAN_RNN_RELU: return 1;
      case ELMAN_LSTM: return 4;
      case ELMAN_MINGRU: return 2;
      default: return 3;
    }
  }

  void run(const void* x) const {
    T* const h = static_cast<T*>(on.h);
    T* const c = static_cast<T*>(on.c);
    for (int64_t b = 0; b < on.batch; ++b) {
      const T* in = static_cast<const T*>(x) + b * on.layer[0].input;
      for (int32_t n = 0; n < on.layers; ++n) {
        const int64_t at = (n * on.batch + b) * on.hidden;
        layer(on.layer[n], in, h + at, c ? c + at : nullptr, static_cast<T*>(on.scratch));
        in = h + at;
      }
    }
  }
};

inline void step(const elman_stepper& on, const void* x, Helper* helper) {
  switch (on.weights) {
    case ELMAN_FLOAT32: return Stepper<float, float>{on, helper}.run(x);
    case ELMAN_FLOAT64: return Stepper<double, double>{on, helper}.run(x);
    case ELMAN_BFLOAT16: return Stepper<float, Bfloat16>{on, helper}.run(x);
    default: return Stepper<float, int8_t>{on, helper}.run(x);
  }
}

}  // namespace ELMAN_VARIANT
