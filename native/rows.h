// Rows of a table that AdamW moves when they are read, and makes up for what they missed.
//
// Whatever depends on nothing but the steps is worked out once a row, in double; a row is then one pass.
#pragma once

#include <algorithm>
#include <cmath>

#include "adamw.h"
#include "elman.h"
#include "simd.h"

namespace ELMAN_VARIANT {

struct RowsMover {
  const elman_rows& on;
  const double log1 = std::log(on.beta1), log2 = std::log(on.beta2);

  // What the steps since the last one of a row would have done to it, all of them without a gradient.
  void catch_up(int64_t row, double decayed) const {
    const int64_t last = static_cast<int64_t>(on.moved[row]);
    const double gone = static_cast<double>(on.step - last);
    if (gone <= 0) return;
    const float kept = static_cast<float>(decayed / std::exp(static_cast<double>(on.decay[last])));
    const float reach = static_cast<float>(decayed * on.reach[last]);
    const float eps = static_cast<float>(on.eps * std::sqrt(1 - std::pow(on.beta2, static_cast<double>(last))));
    const float m_kept = static_cast<float>(std::exp(log1 * gone));
    const float v_kept = static_cast<float>(std::exp(log2 * gone));
    float *w = on.weight + row * on.width, *m = on.m + row * on.width, *v = on.v + row * on.width;
    for (int64_t j = 0; j < on.width; ++j) {
      w[j] = w[j] * kept - reach * m[j] / std::max(std::sqrt(v[j]) + eps, 1e-30f);
      m[j] *= m_kept;
      v[j] *= v_kept;
    }
    on.moved[row] = static_cast<float>(on.step);
  }

  // One step of a row that is up to date with the step before it.
  void move(int64_t row, const float* grad) const {
    const AdamW step(on.beta1, on.beta2, on.kept, on.size, on.eps, on.scale);
    const int64_t at = row * on.width;
    step(on.weight + at, on.m + at, on.v + at, grad, on.width);
    on.moved[row] = static_cast<float>(on.step);
  }

  // What this step leaves for rows to make up for that were moved last at an earlier one. After `kReach` steps what
  // is left of a momentum, (β1/√β2)^kReach < 1e-18, moves nothing.
  void note() const {
    constexpr int64_t kReach = 400;
    const double ratio = on.beta1 / std::sqrt(on.beta2);
    const double decay = static_cast<double>(on.decay[on.step - 1]) + std::log(on.kept);
    on.decay[on.step] = static_cast<float>(decay);
    double part = on.size / std::exp(static_cast<double>(on.decay[on.step]));
    for (int64_t step = on.step - 1; step >= std::max<int64_t>(0, on.step - kReach); --step)
      on.reach[step] += static_cast<float>(part *= ratio);
  }

  void run() const {
    if (on.grads) note();
    const double decayed = std::exp(static_cast<double>(on.decay[on.step]));
    // A row that stands twice among those to catch up is up to date the second time: both are of one part.
    const int64_t parts = on.count * on.width > (int64_t{1} << 14) ? std::max(on.threads, 1) : 1;
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(static_cast<int>(parts)) if (parts > 1)
#endif
    for (int64_t part = 0; part < parts; ++part)
      for (int64_t i = on.rows ? 0 : part; i < on.count; i += on.rows ? 1 : parts) {
        const int64_t row = on.rows ? on.rows[i] : i;
        if (on.rows && i + kAhead < on.count && on.rows[i + kAhead] % parts == part) ask(on.rows[i + kAhead]);
        if (row % parts == part) on.grads ? move(row, on.grads + i * on.width) : catch_up(row, decayed);
      }
  }

 private:
  static constexpr int64_t kAhead = 4;  // rows: they lie anywhere in a table that no cache holds

  ELMAN_ASKS void ask(int64_t row) const {
    for (int64_t j = 0; j < on.width; j += 64 / static_cast<int64_t>(sizeof(float)))
      for (const float* of : {on.weight, on.m, on.v}) __builtin_prefetch(of + row * on.width + j, 1);
  }
};

}  // namespace ELMAN_VARIANT
