// Attentive pooling: of each sequence the mean of its steps, each of which counts as much as a query finds it to.
//
//     k[t] = tanh(W·h[t] + b)      a = softmax over t of v·k[t]      p = Σ a[t]·h[t]
//
// and back, with g the gradient of p:
//
//     ds[t] = a[t]·(g·h[t] - Σ a·(g·h))      dk[t] = ds[t]·v·(1 - k[t]²)
//     dh[t] = a[t]·g + Wᵀ·dk[t]      dW = Σ dk[t]·h[t]ᵀ      db = Σ dk[t]      dv = Σ ds[t]·k[t]
#pragma once

#include <new>

#include "product.h"
#include "threads.h"

namespace ELMAN_VARIANT {

struct Pooling {
  using T = float;
  using Large = Vectors<T>;
  static constexpr int64_t L = kLanes<T>;
  const elman_pooling& on;
  const bool back = on.grad != nullptr;
  const int64_t n = on.width;
  const int threads = on.rows * n * n < (1 << 16) ? 1 : std::max(on.threads, 1);
  const int64_t groups = Large::groups(n), right_size = Large::right_size(n, n);
  const int64_t all = back ? pieces(on.rows * n, 16) * 16 : 0;
  const int64_t scores_size = back ? pieces(on.rows, 16) * 16 : 0;
  const int64_t own_size = back ? sum_size<Large>(n) : 0;
  T *right = nullptr, *grad_keys = nullptr, *scores = nullptr, *own = nullptr;

  Pooling(const elman_pooling& given, Arena& arena) : on(given) {
    right = static_cast<T*>(arena.of((right_size + all + scores_size + own_size * threads) * sizeof(T)));
    if (!right) throw std::bad_alloc();
    grad_keys = right + right_size, scores = grad_keys + all, own = scores + scores_size;
  }

  void run() const {
    in_parts(threads, [this](int part, int parts) {
      Large large;
      for (int64_t group = part; group < groups; group += parts)
        back ? Large::lay_columns(on.key, right, group, n, n) : Large::lay_rows(on.key, right, group, n, n);
      if (back)
        backward(large, part, parts);
      else
        forward(large, part, parts);
    });
  }

 private:
  // This part's rows, whole tiles of them; and its sequences, those that begin there.
  int64_t row(int part, int parts) const { return part_of<Large>(on.rows, part, parts); }
  int64_t sequence(int part, int parts) const {
    if (part == parts) return on.batch;
    return part ? std::lower_bound(on.offsets, on.offsets + on.batch, row(part, parts)) - on.offsets : 0;
  }
  template <class Job>
  void each_sequence(int part, int parts, const Job& job) const {
    for (int64_t b = sequence(part, parts); b < sequence(part + 1, parts); ++b) job(b, on.offsets[b], on.offsets[b + 1]);
  }

  // What lies in a row behind whole vectors is left to `load` and `store`.
  template <class Job>
  void each_vector(const Job& job) const {
    for (int64_t j = 0; j < n; j += L) job(j, static_cast<int>(std::min(L, n - j)));
  }
  T dot(const T* one, const T* other) const {
    Vec<T> sums{};
    each_vector([&](int64_t j, int lanes) { sums += load(one + j, lanes) * load(other + j, lanes); });
    T sum = 0;
    for (int64_t j = 0; j < L; ++j) sum += sums[j];
    return sum;
  }

  void forward(Large& large, int part, int parts) const {
    meet();
    const int64_t from = row(part, parts), to = row(part + 1, parts);
    large.rows_product(on.h, n, right, nullptr, n, n, on.bias, false, on.keys, from, to, nullptr);
    for (int64_t t = from; t < to; ++t) {
      T* const key = on.keys + t * n;
      each_vector([&](int64_t j, int lanes) { store(key + j, tanh(load(key + j, lanes)), lanes); });
      on.shares[t] = dot(key, on.query);
    }
    meet();
    each_sequence(part, parts, [&](int64_t b, int64_t first, int64_t last) {
      std::memcpy(on.pooled + b * 2 * n, on.last + b * n, n * sizeof(T));
      T* const pooled = on.pooled + b * 2 * n + n;
      each_vector([&](int64_t j, int lanes) { store(pooled + j, Vec<T>{}, lanes); });
      T highest = first < last ? on.shares[first] : 0;
      for (int64_t t = first; t < last; ++t) highest = std::max(highest, on.shares[t]);
      double sum = 0;
      for (int64_t t = first; t < last; ++t) sum += on.shares[t] = std::exp(on.shares[t] - highest);
      for (int64_t t = first; t < last; ++t) {
        const T share = on.shares[t] = static_cast<T>(on.shares[t] / sum);
        const T* const h = on.h + t * n;
        each_vector([&](int64_t j, int lanes) { store(pooled + j, load(pooled + j, lanes) + share * load(h + j, lanes), lanes); });
      }
    });
  }

  void backward(Large& large, int part, int parts) const {
    each_sequence(part, parts, [&](int64_t b, int64_t first, int64_t last) {
      const T* const grad = on.grad + b * 2 * n + n;
      double mean = 0;
      for (int64_t t = first; t < last; ++t) mean += on.shares[t] * (scores[t] = dot(grad, on.h + t * n));
      for (int64_t t = first; t < last; ++t) {
        const T share = on.shares[t];
        scores[t] = share * static_cast<T>(scores[t] - mean);
        T* const to = on.grad_h + t * n;
        each_vector([&](int64_t j, int lanes) { store(to + j, share * load(grad + j, lanes), lanes); });
      }
    });
    meet();
    of_keys(part, parts);
    meet();
    T* const memory = own + part * own_size;
    large.rows_product(grad_keys, n, right, nullptr, n, n, nullptr, true, on.grad_h, row(part, parts), row(part + 1, parts), memory);
    const int64_t from = part_of<Large>(n, part, parts), to = part_of<Large>(n, part + 1, parts);
    sum_outer(large, on.rows, grad_keys, n, on.h, n, false, on.grad_key, from, to, memory);
  }

  // The gradients of the keys, with their sums, step after step in every number: this part's columns.
  void of_keys(int part, int parts) const {
    constexpr int64_t kSteps = 64;  // in float32, before they are added in double
    const int64_t sides = pieces(n, L), from = sides * part / parts * L, to = std::min(sides * (part + 1) / parts * L, n);
    for (int64_t j = from; j < to; j += L) {
      const int lanes = static_cast<int>(std::min(L, to - j));
      const Vec<T> query = load(on.query + j, lanes);
      double bias[L] = {}, of_query[L] = {};
      for (int64_t t = 0; t < on.rows; t += kSteps) {
        Vec<T> sums{}, totals{};
        for (int64_t step = t; step < std::min(t + kSteps, on.rows); ++step) {
          const Vec<T> key = load(on.keys + step * n + j, lanes), grad = scores[step] * query * (1 - key * key);
          store(grad_keys + step * n + j, grad, lanes);
          sums += grad, totals += scores[step] * key;
        }
        for (int64_t i = 0; i < L; ++i) bias[i] += sums[i], of_query[i] += totals[i];
      }
      for (int64_t i = 0; i < lanes; ++i)
        on.grad_bias[j + i] = static_cast<T>(bias[i]), on.grad_query[j + i] = static_cast<T>(of_query[i]);
    }
  }
};

}  // namespace ELMAN_VARIANT
