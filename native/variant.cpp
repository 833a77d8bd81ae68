// One instruction set's build of the scan: what a whole call does with its threads.
#ifdef _OPENMP
#include <omp.h>
#endif

#include "adamw.h"
#include "entropy.h"
#include "linear.h"
#include "plan.h"
#include "rows.h"
#include "step.h"
#include "variant.h"

namespace ELMAN_VARIANT {
namespace {

// Waits for the other threads of the call.
inline void barrier() {
#ifdef _OPENMP
#pragma omp barrier
#endif
}

thread_local Arena arena;  // one for all cells: a thread makes one call at a time

template <class T, class Cell, bool kBackward, class Large>
void go(const elman_scan& given, const int64_t* order) {
  const int64_t longest = given.batch ? given.offsets[order[0] + 1] - given.offsets[order[0]] : 0;
  const Plan<T, Cell, kBackward, Large> plan(given, longest, arena);
  const elman_scan& scan = plan.scan;
  Team teams[2];
  std::vector<Rows> all;  // every sequence of each direction
  for (int d = 0; d < plan.ways; ++d) all.emplace_back(scan, scan.direction[d], order, 0, 1);
  // The first step that finds only a few sequences running.
  const bool many = scan.batch >= kFew && !plan.split;
  const int64_t few = plan.bytes <= kSmall ? longest : many ? all[0].length[kFew - 1] : 0;

#ifdef _OPENMP
#pragma omp parallel num_threads(plan.asked) if (plan.asked > 1)
#endif
  {
#ifdef _OPENMP
    const int threads = omp_get_num_threads(), thread = omp_get_thread_num();
#else
    const int threads = 1, thread = 0;
#endif
    // Two directions go to the two halves of the threads, if there are halves and all do not share all.
    const bool halves = plan.ways == 2 && threads % 2 == 0 && !plan.split;
    const int size = halves ? threads / 2 : threads;
    if (thread == 0) teams[0].size = teams[1].size = size;
    Large large;
    T* const memory = plan.blocks + thread * plan.block_size;
    const int part = halves ? thread % size : thread;
    // What is of one direction is done by its threads alone, in whose caches it is then.
    const int begin_d = halves ? thread / size : 0, end_d = halves ? begin_d + 1 : plan.ways;
    for (int d = begin_d; d < end_d; ++d) plan.pack(d, part, size);
    if (size > 1) barrier();
    for (int d = begin_d; d < end_d; ++d) {
      Team* const team = size == 1 ? nullptr : &teams[d];
      if (!kBackward && !plan.fused) {  // by who walks them, next to whom they are then
        plan.project(large, d, part, size, memory);
        if (team) team->meet();
      }
      const Way<T> on = plan.way(d);
      const Walker<T, Cell> walker{scan, on, plan.panels + d * plan.panel_size,
                                   plan.fused ? plan.outer_panels + d * plan.outer_size : nullptr,
                                   plan.fused ? plan.bias(d) : nullptr, plan.as_it_is,
                                   plan.sums + (d * plan.asked + part) * plan.kept, plan.far};
      const int64_t first = plan.groups * part / size, last = plan.groups * (part + 1) / size;
      const int64_t alone = size == 1 ? longest : few;
      // So many steps go to the matrix unit, or else each thread goes so many by itself; what is left is shared.
      const int64_t tiled = plan.tiled ? all[d].length[kFew - 1] : 0, begun = plan.tiled ? tiled : alone;
      const Rows mine(scan, scan.direction[d], order, part, size);
      const auto begin = [&] {
        if constexpr (Large::kWalks)
          if (plan.tiled) {
            TiledWalker<Cell> unit(scan, on, plan.tiles + d * plan.tile_size, plan.shared + d * plan.shared_size,
                                   plan.owned + thread * plan.own_size, walker.sums, large, part, size);
            return kBackward ? unit.backward(all[d], tiled, team) : unit.forward(all[d], tiled, team);
          }
        if (!kBackward)
          walker.forward(mine, 0, std::min(mine.longest(), alone), 0, plan.groups, nullptr);
        else if (alone > 0)
          walker.backward(mine, 0, std::min(mine.longest(), alone), 0, plan.groups, nullptr);
      };
      if (!kBackward) {
        begin();
        if (team) team->meet();
        walker.forward(all[d], begun, longest, first, last, team);
      } else {
        walker.backward(all[d], begun, longest, first, last, team);
        if (team) team->meet();
        begin();
        if (tiled > 0) {
          if (team) team->meet();
          walker.backward(all[d], 0, 0, first, last, team);
        }
      }
    }
    if (kBackward) {
      if (size > 1) barrier();
      if (scan.reads) {
        for (int d = begin_d; d < end_d; ++d) plan.sum_grads(d, part, size);
        if (size > 1) barrier();
      }
      const auto input_grads = [&](bool begins) {
        for (int d = begin_d; d < end_d && plan.outer; ++d) plan.input_grads(large, d, begins, part, size, memory);
      };
      input_grads(true);
      for (int d = begin_d; d < end_d; ++d) plan.weights(large, d, part, size, memory);
      barrier();
      if (plan.ways == 2) input_grads(false);
    }
  }
  for (int d = 0; d < plan.ways; ++d)
    if (kBackward)
      plan.finish_biases(d);
    else
      plan.finish_states(d, all[d]);
  arena.done();
}

template <class T, class Cell, class Large>
void go(const elman_scan& scan, const int64_t* order, bool backward) {
  backward ? go<T, Cell, true, Large>(scan, order) : go<T, Cell, false, Large>(scan, order);
}

template <class T, class Cell>
void choose(const elman_scan& scan, const int64_t* order, bool backward) {
#ifdef __AMX_BF16__
  // Laying out tiles costs more than the products of a few short steps.
  if constexpr (sizeof(T) == sizeof(float))
    if (scan.rows >= 2 * Tiles::kRows && Cell::kBlocks * scan.hidden * scan.input >= 1 << 13)
      return go<T, Cell, Tiles>(scan, order, backward);
#endif
  go<T, Cell, Vectors<T>>(scan, order, backward);
}

template <class T>
void choose(const elman_scan& scan, const int64_t* order, bool backward) {
  switch (scan.cell) {
    case ELMAN_RNN_TANH: return choose<T, Rnn<T, false>>(scan, order, backward);
    case ELMAN_RNN_RELU: return choose<T, Rnn<T, true>>(scan, order, backward);
    case ELMAN_LSTM: return choose<T, Lstm<T>>(scan, order, backward);
    default: return choose<T, Gru<T>>(scan, order, backward);
  }
}

void run(const elman_scan& scan, const int64_t* order, bool backward) {
  if (scan.type == ELMAN_FLOAT32)
    choose<float>(scan, order, backward);
  else
    choose<double>(scan, order, backward);
}

void linear(const elman_linear& linear, const int64_t* order, bool backward) {
  if (linear.type == ELMAN_FLOAT32)
    Linear<float>{linear}.run(order, backward);
  else
    Linear<double>{linear}.run(order, backward);
}

void rows(const elman_rows& rows) { RowsMover{rows}.run(); }
double norm(const elman_adamw& weights) { return WeightsMover(weights).norm(); }
void adamw(const elman_adamw& weights) { WeightsMover(weights).move(); }

double cross_entropy(const elman_cross_entropy& on) { return CrossEntropy(on, arena).run(); }

}  // namespace

extern const Variant variant;
const Variant variant = {run, linear, rows, norm, adamw, cross_entropy, step};

}  // namespace ELMAN_VARIANT
