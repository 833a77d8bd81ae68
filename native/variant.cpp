// One instruction set's build of the scan: what a whole call does with its threads.
#include "adamw.h"
#include "crew.h"
#include "entropy.h"
#include "linear.h"
#include "plan.h"
#include "pooling.h"
#include "rows.h"
#include "step.h"
#include "threads.h"
#include "variant.h"

namespace ELMAN_VARIANT {
namespace {

thread_local Arena arena;  // one for all cells: a thread makes one call at a time

template <class T, class Cell, bool kBackward, class Large>
void go(const elman_scan& given, const int64_t* order) {
  const int64_t longest = given.batch ? given.offsets[order[0] + 1] - given.offsets[order[0]] : 0;
  const Plan<T, Cell, kBackward, Large> plan(given, longest, arena);
  const elman_scan& scan = plan.scan;
  Team teams[2], everyone;  // of each direction, and of both
  Crew crew(kTall);
  std::vector<int64_t> done(plan.asked);  // by each thread
  enum Kind { kPack, kProject, kBegin, kEnd, kKinds };
  Jobs jobs[kKinds][2];
  std::vector<Rows> all;  // every sequence of each direction
  for (int d = 0; d < plan.ways; ++d) all.emplace_back(scan, scan.direction[d], order, 0, 1);
  // The first step that finds only a few sequences running.
  const bool many = scan.batch >= kFew && !plan.split;
  const int64_t few = plan.bytes <= kSmall ? longest : many ? all[0].length[kFew - 1] : 0;

  in_parts(plan.asked, [&](int thread, int threads) {
    // Two directions go to the two halves of the threads, if there are halves and all do not share all.
    const bool halves = plan.ways == 2 && threads % 2 == 0 && !plan.split;
    const int size = halves ? threads / 2 : threads;
    Large large;
    T* const memory = plan.blocks + thread * plan.block_size;
    const int part = halves ? thread % size : thread;
    // What is of one direction is done by its threads, in whose caches it is then.
    const int begin_d = halves ? thread / size : 0, end_d = halves ? begin_d + 1 : plan.ways;
    const auto share_out = [&](Kind kind, int d, int64_t count, const auto& job) {
      int64_t own = 0;
      for (int64_t from, to; jobs[kind][d].take(count, threads, &from, &to); own += to - from) job(from, to);
      return own;
    };
    for (int d = begin_d; d < end_d; ++d) {
      share_out(kPack, d, plan.pack_jobs, [&](int64_t from, int64_t to) { plan.pack(d, from, to); });
      teams[d].meet(size);
      if (kBackward || plan.fused) continue;
      share_out(kProject, d, plan.tiles_of(plan.inputs),
                [&](int64_t from, int64_t to) { plan.project(large, d, from, to, memory); });
      teams[d].meet(size);
    }
    const int64_t first = plan.groups * part / size, last = plan.groups * (part + 1) / size;
    const int64_t alone = size == 1 ? longest : few;
    const auto walker = [&](int d) {
      return Walker<T, Cell>{scan, plan.way(d), plan.panels + d * plan.panel_size,
                             plan.fused ? plan.outer_panels + d * plan.outer_size : nullptr,
                             plan.fused ? plan.bias(d) : nullptr, plan.as_it_is, plan.far};
    };
    // Few sequences, by all threads of a team.
    const auto together = [&](int d, int64_t from, int64_t to) {
      const auto after = [&](int64_t) { teams[d].meet(size); };
      kBackward ? walker(d).backward(all[d], from, to, first, last, after)
                : walker(d).forward(all[d], from, to, first, last, after);
    };
    const auto walk = [&](Flock& flock) {
      if (kBackward) {
        walker(flock.direction).backward(flock.rows, 0, flock.step, 0, plan.groups,
                                         [&](int64_t step) { crew.share(flock, step, step); });
      } else {
        const int64_t end = std::min(flock.rows.longest(), alone);
        walker(flock.direction).forward(flock.rows, flock.step, end, 0, plan.groups,
                                        [&](int64_t step) { crew.share(flock, step, end - step); });
      }
    };
    if constexpr (Large::kWalks) {
      for (int d = begin_d; d < end_d && plan.tiled; ++d) {
        // So many steps go to the matrix unit, and what is left is shared.
        const int64_t tiled = all[d].length[kFew - 1];
        TiledWalker<Cell> unit(scan, plan.way(d), plan.tiles + d * plan.tile_size, plan.shared + d * plan.shared_size,
                               plan.owned + thread * plan.own_size, large, part, size);
        const auto meet = [&] { teams[d].meet(size); };
        if (kBackward) together(d, tiled, longest);
        meet();
        kBackward ? unit.backward(all[d], tiled, meet) : unit.forward(all[d], tiled, meet);
        meet();
        kBackward ? together(d, 0, 0) : together(d, tiled, longest);
      }
    }
    if (!plan.tiled) {
      for (int d = begin_d; d < end_d && kBackward; ++d) together(d, alone, longest), teams[d].meet(size);
      for (int d = begin_d; d < end_d && alone > 0; ++d) {
        Flock mine{d, Rows(scan, scan.direction[d], order, part, size), 0};
        if (kBackward) mine.step = std::min(mine.rows.longest(), alone);
        walk(mine);
      }
      while (std::optional<Flock> other = crew.take(threads)) walk(*other);
      for (int d = begin_d; d < end_d && !kBackward; ++d) together(d, alone, longest);
    }
    if (kBackward) {
      everyone.meet(threads);
      if (scan.reads) {
        for (int d = begin_d; d < end_d; ++d) plan.sum_grads(d, part, size);
        everyone.meet(threads);
      }
      // Who is done with his own direction takes of the other one.
      const auto input_grads = [&](Kind kind) {
        int64_t own = 0;
        for (int turn = 0; turn < plan.ways; ++turn) {
          const int d = (begin_d + turn) % plan.ways;
          own += share_out(kind, d, plan.input_tiles(), [&](int64_t from, int64_t to) {
            plan.input_grads(large, d, kind == kBegin, from, to, memory);
          });
        }
        return own;
      };
      if (plan.outer) done[thread] = input_grads(kBegin);
      everyone.meet(threads);
      plan.weights(large, done.data(), thread, threads, memory);
      everyone.meet(threads);
      if (plan.ways == 2 && plan.outer) input_grads(kEnd);
    }
  });
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
void pool(const elman_pooling& on) { Pooling(on, arena).run(); }

}  // namespace

extern const Variant variant;
const Variant variant = {run, linear, rows, norm, adamw, cross_entropy, pool, step};

}  // namespace ELMAN_VARIANT
