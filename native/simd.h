// Vectors of the width that this file is compiled for, and the functions of the gates upon them.
// Everything is inside a namespace of the instruction set, so that several builds link together.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__AVX512F__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 takes what its header leaves undefined for a mistake
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#ifndef __has_builtin
#define __has_builtin(name) 0
#endif

// What asks for memory is inlined by force: of a function that does nothing else, GCC finds that it does nothing, and
// leaves out its calls.
#define ELMAN_ASKS __attribute__((always_inline)) inline

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
#if __has_builtin(__builtin_shufflevector) && !defined(ELMAN_NO_SHUFFLE)
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
#else  // GCC before 12, and the kernel's own test of one variant
  for (int i = 0; i < L; ++i)
    for (int j = 0; j < i; ++j) {
      const T one = square[i][j];
      square[i][j] = square[j][i], square[j][i] = one;
    }
#endif
}
template <class T>
inline void transpose(Vec<T>* square) {
  transpose<T>(square, std::make_index_sequence<kLanes<T>>());
}

// x = n·ln 2 + r with a whole n and |r| <= ln 2 / 2, and 2^n. NaN stays NaN; beyond ±limit, x is taken for the limit.
struct Parts {
  Vec<float> r, power;
};
inline Parts parts(Vec<float> x, float limit) {
  const Vec<float> most = Vec<float>{} + limit;
#if defined(__AVX512F__)
  x = reinterpret_cast<Vec<float>>(_mm512_min_ps((__m512)most, _mm512_max_ps((__m512)-most, (__m512)x)));
  const Vec<float> n = reinterpret_cast<Vec<float>>(_mm512_roundscale_ps((__m512)(x * 1.44269504f), 0));
  const Vec<float> power = reinterpret_cast<Vec<float>>(_mm512_scalef_ps(_mm512_set1_ps(1.0f), (__m512)n));
#else
  x = x > limit ? most : x;
  x = x < -limit ? -most : x;
  const Vec<float> shifted = x * 1.44269504f + 12582912.0f;  // 1.5·2^23: adding it rounds
  const Vec<float> n = shifted - 12582912.0f;
  const auto exponent = reinterpret_cast<Simd<float>::I>(shifted) - (0x4B400000 - 127);
  const Vec<float> power = reinterpret_cast<Vec<float>>(exponent << 23);
#endif
  return {(x - n * 0.693359375f) + n * 2.12194440e-4f, power};
}
// (e^r - 1 - r) / r²: the polynomial of its degree with the least relative error of e^r - 1, which is below 2e-8.
inline Vec<float> series(Vec<float> r) {
  return (((r * 1.3882520e-3f + 8.3665205e-3f) * r + 4.1667201e-2f) * r + 1.6666543e-1f) * r + 4.9999997e-1f;
}
inline Vec<float> exponential(Vec<float> x) {
  const Parts of = parts(x, 87.0f);
  return of.power * ((series(of.r) * of.r + 1.0f) * of.r + 1.0f);
}
inline Vec<float> sigmoid(Vec<float> x) {
  return 1.0f / (1.0f + exponential(-x));
}
// By way of e^2x - 1, which keeps its relative accuracy at zero; beyond ±10 it is ±1.
inline Vec<float> tanh(Vec<float> x) {
  const Parts of = parts(x + x, 20.0f);
  const Vec<float> e = of.power * (series(of.r) * (of.r * of.r) + of.r) + (of.power - 1.0f);
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

// sum[m][v] += a(m)·b[v]: what all products are made of. Of b, kSide vectors lie side by side, the next ones `apart`.
template <class T, int M, int N, int kSide, class A>
__attribute__((always_inline)) inline void add_products(Vec<T> (&sum)[M][N], const A& a, const T* from, int64_t apart) {
  typedef typename Simd<T>::Loose Loose;
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    const T one = a(m);
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v)
      sum[m][v] += one * reinterpret_cast<const Loose*>(from + v / kSide * apart)[v % kSide];
  }
}

// acc[m][v] += Σ_k a[m][k]·panel[k][v]: the register tile, on which nearly all the time is spent. The numbers of a k
// lie `stride` behind those of the one before, and the first N vectors of kApart are multiplied. Where kSide is less
// than N, the next vectors are those of another panel, `other` numbers behind.
template <class T, int M, int N, int kApart, int kSide, bool kAhead>
__attribute__((noinline)) void multiply_tile(Vec<T>* acc, const T* const* a, int64_t depth, const T* panel,
                                             int64_t stride, int64_t other, Ahead ahead) {
  const T* row[M];
  Vec<T> sum[M][N] = {};  // added at last: what is much larger would round every step of the sum
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) row[m] = a[m];
  const auto at = [&](int64_t k) __attribute__((always_inline)) {
    if (kAhead) __builtin_prefetch(ahead.at + k * ahead.step, 0, 2);
    add_products<T, M, N, kSide>(sum, [&](int m) { return row[m][k]; }, panel + k * stride, other);
  };
  int64_t k = 0;
  for (; k + 2 <= depth; k += 2) at(k), at(k + 1);
  if (k < depth) at(k);
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) acc[m * kApart + v] += sum[m][v];
}

template <class T, int M, int N, int kApart, int kSide = N>
void multiply(int count, Vec<T>* acc, const T* const* a, int64_t depth, const T* panel, int64_t stride, Ahead ahead,
              int64_t other = 0) {
  if (count == M)
    (ahead.step ? multiply_tile<T, M, N, kApart, kSide, true> : multiply_tile<T, M, N, kApart, kSide, false>)(
        acc, a, depth, panel, stride, other, ahead);
  else if constexpr (M > 1)
    multiply<T, M - 1, N, kApart, kSide>(count, acc, a, depth, panel, stride, ahead, other);
}

}  // namespace ELMAN_VARIANT
