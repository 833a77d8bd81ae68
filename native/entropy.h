// A linear layer, the softmax of what it gives and the cross entropy of that, with all their gradients, in one go.
//
//     z = x·Wᵀ + b        loss = -mean Σ_j q_j·log softmax(z)_j        q: 1 - ε for the target, and ε/outputs for all
//
// The gradient of a mean is known as soon as the loss is, so that z need not be kept: dz = (softmax(z) - q) / rows, and
// dX = dz·W, dW = dzᵀ·X, db = Σ dz.
#pragma once

#include <cmath>
#include <new>

#include "product.h"
#include "threads.h"

namespace ELMAN_VARIANT {

struct CrossEntropy {
  using T = float;
  using Large = Vectors<T>;
  static constexpr int64_t L = kLanes<T>;
  const elman_cross_entropy& on;
  const bool back = on.grad_weight != nullptr;
  const int threads = on.rows * on.input * on.outputs < (1 << 16) ? 1 : std::max(on.threads, 1);
  // So many rows at a time that what is made of them stays in a cache that threads share.
  const int64_t block = std::min(on.rows, std::max(kDeep, (int64_t{1} << 19) / on.outputs / kDeep * kDeep));
  // Weights that few rows read are read where they lie.
  const bool as_it_is = on.rows <= 2 * kDeep;
  const int64_t groups = Large::groups(on.outputs), back_groups = back && on.grad_x ? Large::groups(on.input) : 0;
  const int64_t right_size = Large::right_size(on.input, on.outputs);
  const int64_t back_size = back_groups ? Large::right_size(on.outputs, on.input) : 0;
  const int64_t own_size = back ? sum_size<Large>(on.input) : 0;
  const int64_t all_z = pieces(block * on.outputs, 16) * 16;
  const int64_t joined_size = on.parts > 1 ? pieces(on.rows * on.input, 16) * 16 : 0;
  T *right = nullptr, *right_back = nullptr, *z = nullptr, *own = nullptr;
  T *joined = nullptr, *grad_joined = nullptr;  // what has come in parts, and its gradient
  double* losses = nullptr;  // by row: their sum does not depend on who found them

  CrossEntropy(const elman_cross_entropy& given, Arena& arena) : on(given) {
    const int64_t numbers = right_size + back_size + all_z + own_size * threads + 2 * joined_size;
    right = static_cast<T*>(arena.of(numbers * sizeof(T) + on.rows * sizeof(double)));
    if (!right) throw std::bad_alloc();
    right_back = right + right_size, z = right_back + back_size, own = z + all_z;
    joined = own + own_size * threads, grad_joined = joined + joined_size;
    losses = reinterpret_cast<double*>(grad_joined + joined_size);
  }

  double run() const {
    in_parts(threads, [this](int part, int parts) {
      Large large;
      T* const memory = own + part * own_size;
      for (int64_t group = part; group < groups; group += parts)
        Large::lay_rows(on.weight, right, group, on.outputs, on.input);
      for (int64_t group = part; group < back_groups; group += parts)
        if (!as_it_is || (group + 1) * kColumns<T> > on.input)
          Large::lay_columns(on.weight, right_back, group, on.input, on.outputs);
      if (part == 0) join();
      meet();
      for (int64_t first = 0; first < on.rows; first += block) {
        const int64_t count = std::min(block, on.rows - first), tiles = pieces(count, Large::kRows);
        const int64_t from = tiles * part / parts * Large::kRows;
        const int64_t to = std::min(tiles * (part + 1) / parts * Large::kRows, count);
        large.rows_product(x() + first * on.input, on.input, right, nullptr, on.input, on.outputs, on.bias, false, z,
                           from, to, memory);
        for (int64_t row = from; row < to; ++row) losses[first + row] = loss(z + row * on.outputs, on.targets[first + row]);
        if (back && on.grad_x)
          large.rows_product(z, on.outputs, right_back, as_it_is ? on.weight : nullptr, on.outputs, on.input, nullptr,
                             false, grad_x() + first * on.input, from, to, memory);
        meet();
        if (back) weights(large, first, count, part, parts, memory);
        if (back && first + block < on.rows) meet();
      }
    });
    if (on.parts > 1 && on.grad_x)
      each_part([&](const T* one, int64_t at) { std::memcpy(on.grad_x + (one - on.x), grad_joined + at, size()); });
    double sum = 0;
    for (int64_t row = 0; row < on.rows; ++row) sum += losses[row];
    return sum / static_cast<double>(on.rows);
  }

 private:
  // Parts of a row stand one behind the other, wherever they come from.
  const T* x() const { return on.parts > 1 ? joined : on.x; }
  T* grad_x() const { return on.parts > 1 ? grad_joined : on.grad_x; }
  size_t size() const { return on.input / on.parts * sizeof(T); }
  template <class Job>
  void each_part(const Job& job) const {
    const int64_t width = on.input / on.parts;
    for (int64_t part = 0; part < on.parts; ++part)
      for (int64_t row = 0; row < on.rows; ++row)
        job(on.x + (part * on.rows + row) * width, row * on.input + part * width);
  }
  void join() const {
    if (on.parts > 1) each_part([&](const T* one, int64_t at) { std::memcpy(joined + at, one, size()); });
  }

  // The loss of one row, whose z its gradient takes the place of.
  double loss(T* row, int64_t target) const {
    const int64_t n = on.outputs, whole = n / L * L;
    T highest = row[0];
    Vec<T> most = Vec<T>{} + highest;
    for (int64_t j = 0; j < whole; j += L) {
      const Vec<T> here = load(row + j, L);
      most = here > most ? here : most;
    }
    for (int64_t j = 0; j < L; ++j) highest = std::max(highest, most[j]);
    for (int64_t j = whole; j < n; ++j) highest = std::max(highest, row[j]);
    const T of_target = row[target] - highest;
    Vec<T> sums{}, totals{};  // of e^z, and of z
    for (int64_t j = 0; j < n; j += L) {
      const int lanes = static_cast<int>(std::min(L, n - j));
      Vec<T> here = load(row + j, lanes) - highest;
      Vec<T> power = exponential(here);
      for (int i = lanes; i < L; ++i) power[i] = here[i] = 0;
      sums += power, totals += here;
      store(row + j, power, lanes);
    }
    double sum = 0, total = 0;
    for (int64_t j = 0; j < L; ++j) sum += sums[j], total += totals[j];
    const double log = std::log(sum), share = on.smoothing / static_cast<double>(n);
    if (back) {
      const double mean = 1.0 / static_cast<double>(on.rows);
      const T scale = static_cast<T>(mean / sum), less = static_cast<T>(share * mean);
      for (int64_t j = 0; j < n; j += L) {
        const int lanes = static_cast<int>(std::min(L, n - j));
        store(row + j, load(row + j, lanes) * scale - less, lanes);
      }
      row[target] -= static_cast<T>((1 - on.smoothing) * mean);
    }
    return (1 - on.smoothing) * (log - of_target) + (on.smoothing ? on.smoothing * log - share * total : 0);
  }

  // What some rows add to dW and db: this part's outputs.
  void weights(Large& large, int64_t first, int64_t count, int part, int parts, T* memory) const {
    const int64_t from = part_of<Large>(on.outputs, part, parts), to = part_of<Large>(on.outputs, part + 1, parts);
    sum_outer(large, count, z, on.outputs, x() + first * on.input, on.input, first > 0, on.grad_weight, from, to, memory);
    if (!on.grad_bias) return;
    constexpr int64_t kSide = 64;  // at a time, in double: there may be many rows
    for (int64_t j = from; j < to; j += kSide) {
      const int64_t columns = std::min(kSide, to - j);
      double sums[kSide] = {};
      for (int64_t row = 0; row < count; ++row)
        for (int64_t i = 0; i < columns; ++i) sums[i] += z[row * on.outputs + j + i];
      for (int64_t i = 0; i < columns; ++i)
        on.grad_bias[j + i] = static_cast<T>(first ? on.grad_bias[j + i] + sums[i] : sums[i]);
    }
  }
};

}  // namespace ELMAN_VARIANT
