// Vectors of the width that this file is compiled for, and the functions of the gates upon them.
// Everything is inside a namespace of the instruction set, so that several builds link together.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

namespace ELMAN_VARIANT {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
constexpr int kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
constexpr int kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kBytes = 16;
constexpr int kRegisters = 32;
#else
constexpr int kBytes = 16;
constexpr int kRegisters = 16;
#endif

template <class T>
struct Simd;
template <>
struct Simd<float> {
  typedef float V __attribute__((vector_size(kBytes)));
  typedef float Loose __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef int32_t I __attribute__((vector_size(kBytes)));
};
template <>
struct Simd<double> {
  typedef double V __attribute__((vector_size(kBytes)));
  typedef double Loose __attribute__((vector_size(kBytes), aligned(8), may_alias));
};
template <class T>
using Vec = typename Simd<T>::V;
template <class T>
constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));

// The first n lanes of a row; the others are zero, or are left alone.
template <class T>
__attribute__((noinline)) Vec<T> load_part(const T* from, int n) {
  Vec<T> value{};
  for (int j = 0; j < n; ++j) value[j] = from[j];
  return value;
}
template <class T>
__attribute__((noinline)) void store_part(T* to, Vec<T> value, int n) {
  for (int j = 0; j < n; ++j) to[j] = value[j];
}
template <class T>
inline Vec<T> load(const T* from, int n) {
  if (__builtin_expect(n != kLanes<T>, 0)) return load_part(from, n);
  return *reinterpret_cast<const typename Simd<T>::Loose*>(from);
}
template <class T>
inline void store(T* to, Vec<T> value, int n) {
  if (__builtin_expect(n != kLanes<T>, 0)) return store_part(to, value, n);
  *reinterpret_cast<typename Simd<T>::Loose*>(to) = value;
}

// What was in a row of a square of numbers is in its column afterwards: rows are dealt together, those of the first
// half with those of the second, as often as it takes until each number has met all the others of its column.
template <class T, size_t... I>
inline void transpose(Vec<T>* square, std::index_sequence<I...>) {
  constexpr int L = kLanes<T>;
  for (int dealt = 1; dealt < L; dealt *= 2) {
    Vec<T> next[L];
#pragma GCC unroll 16
    for (int i = 0; i < L / 2; ++i) {
      const Vec<T> a = square[i], b = square[i + L / 2];
      next[2 * i] = __builtin_shufflevector(a, b, (I % 2 * L + I / 2)...);
      next[2 * i + 1] = __builtin_shufflevector(a, b, (I % 2 * L + L / 2 + I / 2)...);
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) square[i] = next[i];
  }
}
template <class T>
inline void transpose(Vec<T>* square) {
  transpose<T>(square, std::make_index_sequence<kLanes<T>>());
}

// e^x - 1 = 2^n·(e^r - 1) + (2^n - 1) with x = n·ln 2 + r, |r| <= ln 2 / 2; the series of e^r - 1 ends where
// the next term is below 1e-8. It keeps its relative accuracy at zero, and NaN stays NaN.
inline Vec<float> expm1(Vec<float> x) {
  using I = Simd<float>::I;
  const float top = 88.0f, bottom = -87.0f, magic = 12582912.0f;  // 1.5·2^23: adding it rounds
  x = x > top ? Vec<float>{} + top : x;
  x = x < bottom ? Vec<float>{} + bottom : x;
  Vec<float> shifted = x * 1.44269504f + magic;
  Vec<float> n = shifted - magic;
  I exponent = reinterpret_cast<I>(shifted) - 0x4B400000;
  Vec<float> power = reinterpret_cast<Vec<float>>((exponent + 127) << 23);
  Vec<float> r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Vec<float> p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r * r + r;
  return power * p + (power - 1.0f);
}
inline Vec<float> sigmoid(Vec<float> x) { return 1.0f / (2.0f + expm1(-x)); }
inline Vec<float> tanh(Vec<float> x) {
  x = x > 20.0f ? Vec<float>{} + 20.0f : x;
  Vec<float> e = expm1(x + x);
  return e / (e + 2.0f);
}

inline Vec<double> sigmoid(Vec<double> x) {
  for (int j = 0; j < kLanes<double>; ++j) x[j] = 1.0 / (1.0 + std::exp(-x[j]));
  return x;
}
inline Vec<double> tanh(Vec<double> x) {
  for (int j = 0; j < kLanes<double>; ++j) x[j] = std::tanh(x[j]);
  return x;
}

// What a product asks for on its way, because it is needed soon and lies far away: `step` bytes for each k, or none.
struct Ahead {
  const char* at;
  int64_t step;
};

// acc[m][v] += Σ_k a[m][k]·panel[k][v]: the register tile, on which nearly all the time is spent.
template <class T, int M, int N, bool kAhead>
__attribute__((noinline)) void multiply_tile(Vec<T>* acc, const T* const* a, int64_t depth, const T* panel,
                                             Ahead ahead) {
  const T* row[M];
  Vec<T> sum[M][N];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    row[m] = a[m];
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) sum[m][v] = acc[m * N + v];
  }
  for (int64_t k = 0; k < depth; ++k) {
    const Vec<T>* b = reinterpret_cast<const Vec<T>*>(panel + k * N * kLanes<T>);
    if (kAhead) __builtin_prefetch(ahead.at + k * ahead.step, 0, 2);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const T one = row[m][k];
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) sum[m][v] += one * b[v];
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) acc[m * N + v] = sum[m][v];
}

template <class T, int M, int N>
void multiply(int count, Vec<T>* acc, const T* const* a, int64_t depth, const T* panel, Ahead ahead) {
  if (count == M)
    (ahead.step ? multiply_tile<T, M, N, true> : multiply_tile<T, M, N, false>)(acc, a, depth, panel, ahead);
  else if constexpr (M > 1)
    multiply<T, M - 1, N>(count, acc, a, depth, panel, ahead);
}

}  // namespace ELMAN_VARIANT
