// One instruction set's build of the scan: what a whole call does with its threads.
#ifdef _OPENMP
#include <omp.h>
#endif

#include <memory>
#include <new>
#include <numeric>

#include "adamw.h"
#include "linear.h"
#include "product.h"
#include "rows.h"
#include "scan.h"
#include "step.h"
#include "tiled.h"
#include "tiles.h"
#include "variant.h"

namespace ELMAN_VARIANT {
namespace {

// Where a call keeps what it makes for itself, and what its threads share. Large is what multiplies large matrices.
template <class T, class Cell, bool kBackward, class Large>
struct Plan {
  using S = Shape<Cell, kBackward>;
  elman_scan scan;
  const int64_t longest;
  const int asked = std::max(1, scan.threads), ways = scan.directions;
  const int64_t hidden = scan.hidden, projected = Cell::kBlocks * hidden, input = scan.input;
  // The recurrence, and the projection (forwards) or the gradient of the input (backwards).
  const int64_t depth = kBackward ? projected : hidden;
  const int64_t groups = Panels<T>::groups(hidden, S::wide);
  const int64_t panel_size = Panels<T>::size(hidden, depth, S::kBlocks, S::wide);
  const int64_t outer_depth = kBackward ? projected : input, outer_columns = kBackward ? input : projected;
  const bool outer = !kBackward || scan.grad_x;
  const int64_t bytes = panel_size * static_cast<int64_t>(sizeof(T));  // that a step reads
  const bool far = bytes > near(), split = far && kBytes == 64;
  // The recurrence goes to the matrix unit, unless its weights are too large for a near cache, or so small that
  // meeting after every step costs more than it saves.
  using Tiled = TiledSizes<Cell, kBackward>;
  const bool alone = asked == ways || asked == 1;  // one thread for each direction
  const bool tiled = Large::kWalks && !far && bytes > (alone ? kSmall : 4 * kSmall) && scan.batch >= kFew;
  // Each tile projects its own steps, and what is projected need not go to memory and come back: unless so few run
  // that weights are read for little, or, with narrow vectors, both do not fit into a near cache.
  const bool fused = !kBackward && !Large::kWalks && input <= 2 * hidden && scan.rows >= kFew * longest &&
                     (kBytes == 64 || bytes + bytes / hidden * input <= near());
  // Backwards, weights of few steps are not worth laying out: what is whole of them is read where it is.
  const bool as_it_is = kBackward && scan.rows * hidden <= 1 << 17;
  const int64_t outer_groups = fused ? groups : Large::groups(outer_columns);
  const int64_t outer_size =
      fused ? Panels<T>::size(hidden, input, S::kBlocks, S::wide) : Large::right_size(outer_depth, outer_columns);
  const int64_t tile_size = tiled ? Tiled::weights(hidden) : 0;
  const int64_t shared_size = tiled ? Tiled::shared(scan.batch, hidden, asked) : 0;
  const int64_t own_size = tiled ? Tiled::own(scan.batch, hidden) : 0;
  // Of each thread: the sums of a direction and what rounding has lost of them, and what its products are laid out in.
  const int64_t sum_size = Cell::kGradBlocks * hidden, kept = pieces(2 * sum_size, 16) * 16;
  const int64_t steps_size = Large::steps_size(input) + Large::steps_size(hidden) + Large::kLeftSize;
  const int64_t block_size = std::max(Large::left_size(outer_depth), kBackward ? steps_size : 0);
  // Multiples of 64 bytes, all of them.
  T *tiles = nullptr, *shared = nullptr, *owned = nullptr;  // of the recurrence on the matrix unit
  T *panels = nullptr, *outer_panels = nullptr, *sums = nullptr, *blocks = nullptr, *biases = nullptr;

  Plan(const elman_scan& given, int64_t longest, Arena& arena) : scan(given), longest(longest) {
    const int64_t bias_size = pieces(projected, 16) * 16;
    const int64_t own = block_size * asked + (kBackward ? kept * ways * asked : bias_size * ways);
    // Gates that nobody keeps, or their gradients: memory that is touched anew costs more than to fill it.
    const int64_t work = pieces(scan.rows * (kBackward ? Cell::kGradBlocks : Cell::kBlocks) * hidden, 16) * 16;
    const auto gates = [this](int d) -> void*& {
      return kBackward ? scan.direction[d].grad_gates : scan.direction[d].gates;
    };
    const int missing = fused ? 0 : !gates(0) + (ways > 1 && !gates(1));
    const int64_t tiled_size = (tile_size + shared_size) * ways + own_size * asked;
    const int64_t all = (panel_size + outer_size) * ways + work * missing + own + tiled_size;
    T* at = static_cast<T*>(arena.of(all * sizeof(T)));
    if (!at) throw std::bad_alloc();
    for (int d = 0; d < ways; ++d)
      if (!gates(d) && !fused) gates(d) = at, at += work;
    panels = at, outer_panels = at += panel_size * ways;
    blocks = at += outer_size * ways, at += block_size * asked;
    tiles = at, shared = at += tile_size * ways, owned = at += shared_size * ways, at += own_size * asked;
    if (!kBackward) {
      biases = at;
      for (int d = 0; d < ways; ++d) add_biases(scan.direction[d], biases + d * bias_size);
    } else {
      sums = at;
      std::memset(static_cast<void*>(sums), 0, kept * ways * asked * sizeof(T));
    }
  }

  // The biases of the projection; one under a gate is added there.
  void add_biases(const elman_direction& way, T* sum) const {
    const T *ih = static_cast<const T*>(way.bias_ih), *hh = static_cast<const T*>(way.bias_hh);
    for (int64_t j = 0; j < projected; ++j)
      sum[j] = !ih ? T(0) : j / hidden == Cell::kInside ? ih[j] : ih[j] + hh[j];
  }
  const T* bias(int d) const { return biases + d * (pieces(projected, 16) * 16); }

  void pack(int thread, int threads) const {
    for (int64_t job = thread; job < groups * ways; job += threads) {
      const int d = static_cast<int>(job / groups);
      const T* weight = static_cast<const T*>(scan.direction[d].weight_hh);
      if (as_it_is && (job % groups + 1) * S::wide * kLanes<T> <= hidden) continue;
      if (kBackward)
        pack_backward(weight, panels + d * panel_size, job % groups, hidden, depth, S::wide);
      else
        pack_forward(weight, panels + d * panel_size, job % groups, hidden, depth, S::kBlocks, S::wide);
    }
    if constexpr (Large::kWalks)
      if (tiled)
        for (int64_t job = thread; job < Tiled::groups(hidden) * ways; job += threads) {
          const int64_t d = job % ways;
          TiledWalker<Cell>::template lay_weights<kBackward>(static_cast<const T*>(scan.direction[d].weight_hh),
                                                             tiles + d * tile_size, job / ways, hidden);
        }
    if (!outer) return;
    for (int64_t job = thread; job < outer_groups * ways; job += threads) {
      const int d = static_cast<int>(job / outer_groups);
      const T* weight = static_cast<const T*>(scan.direction[d].weight_ih);
      T* to = outer_panels + d * outer_size;
      if (outer_matrix(d) && (job % outer_groups + 1) * kColumns<T> <= outer_columns) continue;
      if (fused)
        pack_forward(weight, to, job % outer_groups, hidden, input, S::kBlocks, S::wide);
      else if (kBackward)
        Large::lay_columns(weight, to, job % outer_groups, outer_columns, outer_depth);
      else
        Large::lay_rows(weight, to, job % outer_groups, outer_columns, outer_depth);
    }
  }

  // What the outer product reads without its being laid out, or null.
  const T* outer_matrix(int d) const {
    return as_it_is && !Large::kWalks ? static_cast<const T*>(scan.direction[d].weight_ih) : nullptr;
  }

  // P = X·W_ihᵀ + b, or dX = Σ dP·W_ih over the directions: this thread's rows.
  void outer_product(Large& large, int thread, int threads) const {
    const int64_t tiles = pieces(scan.rows, Large::kRows), from = tiles * thread / threads * Large::kRows;
    const int64_t to = std::min(tiles * (thread + 1) / threads * Large::kRows, scan.rows);
    T* const memory = blocks + thread * block_size;
    for (int d = 0; d < ways; ++d) {
      const elman_direction& way = scan.direction[d];
      const T* from_panels = outer_panels + d * outer_size;
      if (kBackward)
        large.rows_product(static_cast<const T*>(way.grad_gates), Cell::kGradBlocks * hidden, from_panels,
                           outer_matrix(d), projected, input, nullptr, d > 0, static_cast<T*>(scan.grad_x), from, to,
                           memory);
      else
        large.rows_product(static_cast<const T*>(scan.x), input, from_panels, nullptr, input, projected, bias(d),
                           false, static_cast<T*>(way.gates), from, to, memory);
    }
  }

  // dW_ih = dPᵀ·X and dW_hh = dPᵀ·H[t-1] of one direction: the rows of both that are this part's. They go together,
  // because laying out dP takes a tenth to a sixth of a product, and the same one serves both.
  void weights(Large& large, int d, int part, int parts, T* memory) const {
    const elman_direction& way = scan.direction[d];
    const int64_t tiles = pieces(projected, Large::kRows), from = tiles * part / parts * Large::kRows;
    const int64_t to = std::min(tiles * (part + 1) / parts * Large::kRows, projected);
    const T* grads = static_cast<const T*>(way.grad_gates);
    const int64_t stride = Cell::kGradBlocks * hidden;
    T *const x_panels = memory, *const h_panels = x_panels + Large::steps_size(input);
    T* const left = h_panels + Large::steps_size(hidden);
    T *const ih = static_cast<T*>(way.grad_weight_ih), *const hh = static_cast<T*>(way.grad_weight_hh);
    if (scan.rows == 0) {
      std::memset(static_cast<void*>(ih + from * input), 0, (to - from) * input * sizeof(T));
      std::memset(static_cast<void*>(hh + from * hidden), 0, (to - from) * hidden * sizeof(T));
    }
    const Way<T> on{way, hidden, scan.output_stride, scan.grad_stride, true};
    int64_t sequence = 0;
    const auto before = [&](int64_t row) {
      if (row < scan.offsets[sequence]) sequence = 0;
      while (row >= scan.offsets[sequence + 1]) ++sequence;
      const bool first = row == (way.reverse ? scan.offsets[sequence + 1] - 1 : scan.offsets[sequence]);
      return on.h_before(first ? -1 : way.reverse ? row + 1 : row - 1, sequence);
    };
    // A block under a gate: its own gradient lies behind all the others.
    const int64_t plain = Cell::kInside < 0 ? projected : Cell::kInside * hidden;
    const int64_t step = (left - memory) * static_cast<int64_t>(sizeof(T)) > near() / 2 ? kDeep / 2 : kDeep;
    for (int64_t r = 0; r < scan.rows; r += step) {
      const int64_t deep = std::min(step, scan.rows - r);
      Large::lay_steps(deep, [&](int64_t k) { return static_cast<const T*>(scan.x) + (r + k) * input; }, input, x_panels);
      Large::lay_steps(deep, [&](int64_t k) { return before(r + k); }, hidden, h_panels);
      for (int64_t i = from, end; i < to; i = end) {
        end = std::min({i + Large::kTogether, to, i < plain ? plain : to});
        const T* const grad = grads + r * stride + i;
        Large::lay_left(grad, stride, deep, end - i, left);
        large.sums_product(deep, left, end - i, x_panels, input, r > 0, ih + i * input);
        if (i >= plain) Large::lay_left(grad + hidden, stride, deep, end - i, left);
        large.sums_product(deep, left, end - i, h_panels, hidden, r > 0, hh + i * hidden);
      }
    }
  }

  void finish_biases(int d) const {
    const elman_direction& way = scan.direction[d];
    if (!way.bias_ih) return;
    T *ih = static_cast<T*>(way.grad_bias_ih), *hh = static_cast<T*>(way.grad_bias_hh);
    for (int64_t j = 0; j < projected; ++j) {
      const int64_t own = j / hidden == Cell::kInside ? j + hidden : j;
      ih[j] = hh[j] = T(0);
      for (int part = 0; part < asked; ++part) {
        const T* sum = sums + (d * asked + part) * kept;
        ih[j] += sum[j], hh[j] += sum[own];
      }
    }
  }

  void finish_states(int d, const Rows& rows) const {
    const elman_direction& way = scan.direction[d];
    const Way<T> on{way, hidden, scan.output_stride, scan.grad_stride, scan.keep != 0};
    for (int64_t i = 0; i < scan.batch; ++i) {
      const int64_t b = rows.sequence[i], length = rows.length[i];
      const int64_t last = length ? rows.row(i, length - 1) : -1;
      const T* from[2] = {on.h_before(last, b), way.final[1] ? on.c_before(last, b) : nullptr};
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
};

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
    plan.pack(thread, threads);
    barrier();
    if (!kBackward && !plan.fused) {
      plan.outer_product(large, thread, threads);
      barrier();
    }
    for (int d = 0; d < plan.ways; ++d) {
      if (halves && thread / size != d) continue;
      const int part = halves ? thread % size : thread;
      const Way<T> on{scan.direction[d], scan.hidden, scan.output_stride, scan.grad_stride, scan.keep != 0};
      const Walker<T, Cell> walker{scan, on, plan.panels + d * plan.panel_size,
                                   plan.fused ? plan.outer_panels + d * plan.outer_size : nullptr,
                                   plan.fused ? plan.bias(d) : nullptr, plan.as_it_is,
                                   plan.sums + (d * plan.asked + part) * plan.kept, plan.far};
      const int64_t first = plan.groups * part / size, last = plan.groups * (part + 1) / size;
      const int64_t alone = size == 1 ? longest : few;
      // So many steps go to the matrix unit, or else each thread goes so many by itself; what is left is shared.
      const int64_t tiled = plan.tiled ? all[d].length[kFew - 1] : 0, begun = plan.tiled ? tiled : alone;
      const Rows mine(scan, scan.direction[d], order, part, size);
      Team* team = size == 1 ? nullptr : &teams[d];
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
      barrier();
      if (plan.outer) plan.outer_product(large, thread, threads);
      for (int d = 0; d < plan.ways; ++d)
        if (!halves || thread / size == d)
          plan.weights(large, d, halves ? thread % size : thread, size, plan.blocks + thread * plan.block_size);
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

}  // namespace

extern const Variant variant;
const Variant variant = {run, linear, rows, norm, adamw, step};

}  // namespace ELMAN_VARIANT
