// One instruction set's build of the scan: what a whole call does with its threads.
#ifdef _OPENMP
#include <omp.h>
#endif

#include <memory>
#include <new>
#include <numeric>

#include "linear.h"
#include "scan.h"
#include "step.h"
#include "variant.h"

namespace ELMAN_VARIANT {
namespace {

template <class T, class Cell, bool kBackward>
void go(const elman_scan& scan, const int64_t* order) {
  using S = Shape<Cell, kBackward>;
  const int64_t hidden = scan.hidden, depth = kBackward ? Cell::kBlocks * hidden : hidden;
  const int64_t panel_size = Panels<T>::size(hidden, depth, S::kBlocks, S::wide);
  const int64_t groups = Panels<T>::groups(hidden, S::wide), sum_size = Cell::kGradBlocks * hidden;
  const int64_t kept = 2 * sum_size;  // a sum, and what rounding has lost of it
  const int ways = scan.directions;
  const int asked = std::max(1, scan.threads);

  thread_local Arena arena;
  const size_t sums_at = panel_size * ways, elements = sums_at + (kBackward ? kept * ways * asked : 0);
  T* memory = static_cast<T*>(arena.of(elements * sizeof(T)));
  if (!memory) throw std::bad_alloc();
  if (kBackward) std::memset(static_cast<void*>(memory + sums_at), 0, kept * ways * asked * sizeof(T));

  Team teams[2];
  std::vector<Rows> all;  // every sequence of each direction
  for (int d = 0; d < ways; ++d) all.emplace_back(scan, scan.direction[d], order, 0, 1);
  // The first step that finds only a few sequences running.
  const auto& lengths = all[0].length;
  const int64_t few = scan.batch >= kFew ? lengths[kFew - 1] : 0;

#ifdef _OPENMP
#pragma omp parallel num_threads(asked) if (asked > 1)
#endif
  {
#ifdef _OPENMP
    const int threads = omp_get_num_threads(), thread = omp_get_thread_num();
#else
    const int threads = 1, thread = 0;
#endif
    // Two directions go to the two halves of the threads, if there are halves.
    const bool halves = ways == 2 && threads % 2 == 0;
    const int size = halves ? threads / 2 : threads;
    if (thread == 0) teams[0].size = teams[1].size = size;
    for (int64_t job = thread; job < groups * ways; job += threads) {
      const int d = static_cast<int>(job / groups);
      const T* weight = static_cast<const T*>(scan.direction[d].weight);
      T* panels = memory + d * panel_size;
      if (kBackward)
        pack_backward(weight, panels, job % groups, hidden, depth, S::wide);
      else
        pack_forward(weight, panels, job % groups, hidden, S::kBlocks, S::wide);
    }
#ifdef _OPENMP
#pragma omp barrier
#endif
    for (int d = 0; d < ways; ++d) {
      if (halves && thread / size != d) continue;
      const int part = halves ? thread % size : thread;
      const Way<T> on{scan.direction[d], hidden, scan.output_stride, scan.grad_stride, scan.keep != 0};
      const Walker<T, Cell> walker{scan, on, memory + d * panel_size,
                                   memory + sums_at + (d * asked + part) * kept};
      const int64_t first = groups * part / size, last = groups * (part + 1) / size;
      const int64_t longest = all[d].longest(), shared = size == 1 ? longest : few;
      const Rows mine(scan, scan.direction[d], order, part, size);
      Team* team = size == 1 ? nullptr : &teams[d];
      if (!kBackward) {
        walker.forward(mine, 0, std::min(mine.longest(), shared), 0, groups, nullptr);
        if (team) team->meet();
        walker.forward(all[d], shared, longest, first, last, team);
      } else {
        walker.backward(all[d], shared, longest, first, last, team);
        if (team) team->meet();
        if (shared > 0) walker.backward(mine, 0, std::min(mine.longest(), shared), 0, groups, nullptr);
      }
    }
  }
  for (int d = 0; d < ways; ++d) {
    const elman_direction& way = scan.direction[d];
    if (kBackward) {
      T* sum = static_cast<T*>(way.grad_bias);
      const T* parts = memory + sums_at + d * asked * kept;
      for (int64_t j = 0; j < sum_size; ++j) {
        T total = 0;
        for (int part = 0; part < asked; ++part) total += parts[part * kept + j];
        sum[j] = total;
      }
      continue;
    }
    const Way<T> on{way, hidden, scan.output_stride, scan.grad_stride, scan.keep != 0};
    for (int64_t i = 0; i < scan.batch; ++i) {
      const int64_t b = all[d].sequence[i], length = all[d].length[i];
      const int64_t last = length ? all[d].row(i, length - 1) : -1;
      const T* h = on.h_before(last, b);
      const T* c = way.final[1] ? on.c_before(last, b) : nullptr;
      const T* from[2] = {h, c};
      for (int n = 0; n < 2; ++n) {
        T* to = static_cast<T*>(way.final[n]);
        if (!to) continue;
        if (from[n])
          std::memcpy(to + b * hidden, from[n], hidden * sizeof(T));
        else
          std::memset(static_cast<void*>(to + b * hidden), 0, hidden * sizeof(T));
      }
    }
  }
}

template <class T, bool kBackward>
void choose(const elman_scan& scan, const int64_t* order) {
  switch (scan.cell) {
    case ELMAN_RNN_TANH: return go<T, Rnn<T, false>, kBackward>(scan, order);
    case ELMAN_RNN_RELU: return go<T, Rnn<T, true>, kBackward>(scan, order);
    case ELMAN_LSTM: return go<T, Lstm<T>, kBackward>(scan, order);
    default: return go<T, Gru<T>, kBackward>(scan, order);
  }
}

void run(const elman_scan& scan, const int64_t* order, bool backward) {
  if (scan.type == ELMAN_FLOAT32)
    backward ? choose<float, true>(scan, order) : choose<float, false>(scan, order);
  else
    backward ? choose<double, true>(scan, order) : choose<double, false>(scan, order);
}

void linear(const elman_linear& linear, const int64_t* order, bool backward) {
  if (linear.type == ELMAN_FLOAT32)
    Linear<float>{linear}.run(order, backward);
  else
    Linear<double>{linear}.run(order, backward);
}

}  // namespace

extern const Variant variant;
const Variant variant = {run, linear, step};

}  // namespace ELMAN_VARIANT
