// Attentive pooling, in buffers exactly as large as the C face says, its gradients held to finite differences.
#pragma once

#include <cmath>

#include "test_layer.h"

namespace {

struct Pooled {
  using Many = std::vector<float>;
  int64_t width, rows, batch;
  int threads;
  std::vector<int64_t> offsets{0};
  Many h, last, key, bias, query, keys, shares, pooled, grad, grad_h, grad_key, grad_bias, grad_query;

  Pooled(int64_t width, int threads, const std::vector<int64_t>& lengths)
      : width(width), rows(0), batch(static_cast<int64_t>(lengths.size())), threads(threads) {
    for (const int64_t one : lengths) offsets.push_back(rows += one);
    const auto some = [](size_t count) { return Layer<float>::typed(drawn(count, 0.5)); };
    h = some(rows * width), last = some(batch * width), key = some(width * width), bias = some(width), query = some(width);
    grad = some(batch * 2 * width), keys = Many(rows * width), shares = Many(rows), pooled = Many(batch * 2 * width);
    grad_h = Many(rows * width), grad_key = Many(width * width), grad_bias = grad_query = Many(width);
  }

  elman_pooling call(bool backward) {
    elman_pooling on{};
    on.threads = threads, on.batch = batch, on.rows = rows, on.width = width, on.offsets = offsets.data();
    on.h = h.data(), on.last = last.data(), on.key = key.data(), on.bias = bias.data(), on.query = query.data();
    on.keys = keys.data(), on.shares = shares.data(), on.pooled = pooled.data();
    on.grad = backward ? grad.data() : nullptr, on.grad_h = grad_h.data(), on.grad_key = grad_key.data();
    on.grad_bias = grad_bias.data(), on.grad_query = grad_query.data();
    return on;
  }

  double total() {
    const elman_pooling on = call(false);
    expect(elman_pool(&on) == ELMAN_OK, "a pooling runs");
    double sum = 0;
    for (size_t i = 0; i < pooled.size(); ++i) sum += double(pooled[i]) * grad[i];
    return sum;
  }

  void check() {
    total();
    const elman_pooling on = call(true);
    expect(batch == 0 || elman_pool(&on) == ELMAN_OK, "a pooling runs back");
    const std::pair<Many*, Many*> learned[] = {{&h, &grad_h}, {&key, &grad_key}, {&bias, &grad_bias}, {&query, &grad_query}};
    for (const auto& [of, found] : learned) {
      if (of->empty() || batch == 0) continue;
      const size_t which = numbers() % of->size();
      const float before = (*of)[which], step = 4e-3f;
      (*of)[which] = before + step;
      const double up = total();
      (*of)[which] = before - step;
      const double wanted = (up - total()) / (2 * step);
      (*of)[which] = before;
      expect(std::fabs((*found)[which] - wanted) < 5e-3 * (1 + std::fabs(wanted)),
             "a gradient of a pooling: " + std::to_string((*found)[which]) + " for " + std::to_string(wanted));
    }
  }
};

void poolings() {
  for (const int64_t width : {1, 5, 16, 37})
    for (const int threads : {1, 3})
      for (const std::vector<int64_t>& lengths :
           {std::vector<int64_t>{}, {0}, {1}, {3, 0, 1, 4}, {300, 2, 0}, std::vector<int64_t>(40, 7)})
        Pooled(width, threads, lengths).check();
  Pooled some(3, 1, {2, 1});
  elman_pooling on = some.call(false);
  static const int64_t late[] = {0, 3, 2};
  on.offsets = late;
  expect(elman_pool(&on) != ELMAN_OK && elman_pool(nullptr) != ELMAN_OK, "sequences that overlap");
  on = some.call(false), on.keys = nullptr;
  expect(elman_pool(&on) != ELMAN_OK, "no room for keys");
  on = some.call(true), on.grad_key = nullptr;
  expect(elman_pool(&on) != ELMAN_OK, "no room for the gradient of the key");
}

}  // namespace
