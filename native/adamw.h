// AdamW: one step of some numbers, which rows of tables and dense weights share; and of all dense weights at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "elman.h"

namespace ELMAN_VARIANT {

// The same for every number of a tensor. `kept` is 1 - rate·decay; `size` and `eps` are corrected for the bias.
struct AdamW {
  const float gain1, beta2, gain2, kept, size, eps, scale;

  AdamW(double first, double second, double left, double step, double small, double factor)
      : gain1(static_cast<float>(1 - first)), beta2(static_cast<float>(second)), gain2(static_cast<float>(1 - second)),
        kept(static_cast<float>(left)), size(static_cast<float>(step)), eps(static_cast<float>(small)),
        scale(static_cast<float>(factor)) {}

  void operator()(float* __restrict w, float* __restrict m, float* __restrict v, const float* __restrict grad,
                  int64_t count) const {
    for (int64_t j = 0; j < count; ++j) {
      const float g = grad[j] * scale;
      m[j] += gain1 * (g - m[j]);
      v[j] = beta2 * v[j] + gain2 * g * g;
      w[j] = w[j] * kept - size * m[j] / (std::sqrt(v[j]) + eps);
    }
  }
};

// Tensors in pieces that threads share: they are the same however many threads there are, and so are the sums.
struct WeightsMover {
  static constexpr int64_t kPiece = int64_t{1} << 14, kLanes = 64;
  struct Piece {
    const elman_weights* of;
    int64_t from, count;
  };
  const elman_adamw& on;
  std::vector<Piece> pieces;
  bool shared = false;

  explicit WeightsMover(const elman_adamw& given) : on(given) {
    int64_t all = 0;
    for (int64_t t = 0; t < on.tensors; ++t) {
      const elman_weights& one = on.tensor[t];
      all += one.count;
      for (int64_t from = 0; from < one.count; from += kPiece)
        pieces.push_back({&one, from, std::min(kPiece, one.count - from)});
    }
    shared = on.threads > 1 && all > 2 * kPiece;
  }

  template <class Job>
  void each(const Job& job) const {
    const int64_t count = static_cast<int64_t>(pieces.size());
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(on.threads) if (shared)
#endif
    for (int64_t i = 0; i < count; ++i) job(i, pieces[i]);
  }

  double norm() const {
    std::vector<double> sums(pieces.size());
    each([&](int64_t number, const Piece& one) {
      const float* __restrict grad = one.of->grad + one.from;
      float lanes[kLanes] = {};
      int64_t j = 0;
      for (; j + kLanes <= one.count; j += kLanes)
        for (int64_t k = 0; k < kLanes; ++k) lanes[k] += grad[j + k] * grad[j + k];
      double sum = 0;
      for (; j < one.count; ++j) sum += static_cast<double>(grad[j]) * grad[j];
      for (const float lane : lanes) sum += lane;
      sums[number] = sum;
    });
    double sum = 0;
    for (const double one : sums) sum += one;
    return std::sqrt(sum);
  }

  void move() const {
    std::vector<AdamW> steps;  // by tensor
    for (int64_t t = 0; t < on.tensors; ++t) steps.push_back(next(on.tensor[t]));
    each([&](int64_t, const Piece& one) {
      const elman_weights& of = *one.of;
      const AdamW& step = steps[one.of - on.tensor];
      step(of.weight + one.from, of.m + one.from, of.v + one.from, of.grad + one.from, one.count);
    });
  }

  // Counts a step of a tensor; what it is, corrected for means that began with zero.
  AdamW next(const elman_weights& of) const {
    const double step = of.step ? *of.step += 1 : 1;
    const double bias = std::sqrt(1 - std::pow(of.beta2, step));
    const double size = of.rate * bias / (1 - std::pow(of.beta1, step));
    return AdamW(of.beta1, of.beta2, 1 - of.rate * of.decay, size, of.eps * bias, on.scale);
  }
};

}  // namespace ELMAN_VARIANT
