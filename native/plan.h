// What a call of the scan works with: its sizes, its memory, and the large products before and after the walk.
#pragma once

#include <new>
#include <numeric>

#include "product.h"
#include "scan.h"
#include "tiled.h"
#include "tiles.h"

namespace ELMAN_VARIANT {

// Where a call keeps what it makes for itself, and what its threads share. Large is what multiplies large matrices.
template <class T, class Cell, bool kBackward, class Large>
struct Plan {
  using S = Shape<Cell, kBackward>;
  elman_scan scan;
  const int64_t longest;
  const int asked = std::max(1, scan.threads), ways = scan.directions;
  const int64_t hidden = scan.hidden, projected = Cell::kBlocks * hidden, input = scan.input;
  // Where several steps read a row of x, it is projected once; their gradients are summed before they are multiplied.
  const int64_t inputs = scan.reads ? scan.inputs : scan.rows;
  const int64_t read_size = scan.reads ? pieces(inputs * projected, 16) * 16 : 0;
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
  const bool fused = !kBackward && !Large::kWalks && !scan.reads && input <= 2 * hidden &&
                     scan.rows >= kFew * longest && (kBytes == 64 || bytes + bytes / hidden * input <= near());
  // Backwards, weights of few steps are not worth laying out: what is whole of them is read where it is. With a smaller
  // near cache they push each other out of it, and fewer steps are few.
  const bool as_it_is = kBackward && scan.rows * hidden <= (kBytes == 64 ? 1 << 17 : 1 << 15);
  const int64_t outer_groups = fused ? groups : Large::groups(outer_columns);
  const int64_t outer_size =
      fused ? Panels<T>::size(hidden, input, S::kBlocks, S::wide) : Large::right_size(outer_depth, outer_columns);
  const int64_t tile_size = tiled ? Tiled::weights(hidden) : 0;
  const int64_t shared_size = tiled ? Tiled::shared(scan.batch, hidden, asked) : 0;
  const int64_t own_size = tiled ? Tiled::own(scan.batch, hidden) : 0;
  // Of each direction: the sums of its gradients and what rounding has lost of them. Of each thread: what its products
  // are laid out in.
  const int64_t sum_size = Cell::kGradBlocks * hidden, kept = pieces(2 * sum_size, 16) * 16;
  const int64_t steps_size = Large::steps_size(input) + Large::steps_size(hidden) + Large::kLeftSize;
  const int64_t block_size = std::max(Large::left_size(outer_depth), kBackward ? steps_size : 0);
  std::vector<int64_t> later[2];  // by direction: the steps that have one before them, where sums leave out the others
  // Multiples of 64 bytes, all of them.
  T* read = nullptr;                                        // by direction and row of x: projections, or gradients
  T *tiles = nullptr, *shared = nullptr, *owned = nullptr;  // of the recurrence on the matrix unit
  T *panels = nullptr, *outer_panels = nullptr, *sums = nullptr, *blocks = nullptr, *biases = nullptr;

  Plan(const elman_scan& given, int64_t longest, Arena& arena) : scan(given), longest(longest) {
    const int64_t bias_size = pieces(projected, 16) * 16;
    const int64_t own = block_size * asked + (kBackward ? kept : bias_size) * ways;
    // Gates that nobody keeps, or their gradients: memory that is touched anew costs more than to fill it.
    const int64_t work = pieces(scan.rows * (kBackward ? Cell::kGradBlocks : Cell::kBlocks) * hidden, 16) * 16;
    const auto gates = [this](int d) -> void*& {
      return kBackward ? scan.direction[d].grad_gates : scan.direction[d].gates;
    };
    const int missing = fused || (!kBackward && scan.reads) ? 0 : !gates(0) + (ways > 1 && !gates(1));
    const int64_t tiled_size = (tile_size + shared_size) * ways + own_size * asked;
    const int64_t all = (panel_size + outer_size + read_size) * ways + work * missing + own + tiled_size;
    T* at = static_cast<T*>(arena.of(all * sizeof(T)));
    if (!at) throw std::bad_alloc();
    for (int d = 0; d < ways; ++d)
      if (!gates(d) && missing) gates(d) = at, at += work;
    read = at, at += read_size * ways;
    panels = at, outer_panels = at += panel_size * ways;
    blocks = at += outer_size * ways, at += block_size * asked;
    tiles = at, shared = at += tile_size * ways, owned = at += shared_size * ways, at += own_size * asked;
    if (!kBackward) {
      biases = at;
      for (int d = 0; d < ways; ++d) add_biases(scan.direction[d], biases + d * bias_size);
    } else {
      for (int d = 0; d < ways && scan.reads && !Large::kWalks && !scan.direction[d].initial[0]; ++d) find_later(d);
      sums = at;
      std::memset(static_cast<void*>(sums), 0, kept * ways * sizeof(T));
    }
  }

  void find_later(int d) {
    const bool reverse = scan.direction[d].reverse != 0;
    later[d].reserve(scan.rows);
    for (int64_t b = 0; b < scan.batch; ++b)
      for (int64_t row = scan.offsets[b] + !reverse; row < scan.offsets[b + 1] - reverse; ++row) later[d].push_back(row);
  }

  // The biases of the projection; one under a gate is added there.
  void add_biases(const elman_direction& way, T* sum) const {
    const T *ih = static_cast<const T*>(way.bias_ih), *hh = static_cast<const T*>(way.bias_hh);
    for (int64_t j = 0; j < projected; ++j)
      sum[j] = !ih ? T(0) : j / hidden == Cell::kInside ? ih[j] : ih[j] + hh[j];
  }
  Way<T> way(int d) const {
    const elman_direction& of = scan.direction[d];
    return {of, hidden, scan.output_stride, scan.grad_stride, scan.keep != 0,
            scan.reads ? read + d * read_size : static_cast<const T*>(of.gates), scan.reads};
  }
  const T* bias(int d) const { return biases + d * (pieces(projected, 16) * 16); }

  // Lays out the weights of one direction: some groups of columns of everything.
  const int64_t pack_jobs = std::max({groups, outer_groups, tiled ? Tiled::groups(hidden) : 0});
  void pack(int d, int64_t from, int64_t to) const {
    const T *hh = static_cast<const T*>(scan.direction[d].weight_hh), *ih = static_cast<const T*>(scan.direction[d].weight_ih);
    for (int64_t job = from; job < std::min(to, groups); ++job) {
      if (as_it_is && (job + 1) * S::wide * kLanes<T> <= hidden) continue;
      if (kBackward)
        pack_backward(hh, panels + d * panel_size, job, hidden, depth, S::wide);
      else
        pack_forward(hh, panels + d * panel_size, job, hidden, depth, S::kBlocks, S::kJoined, S::wide);
    }
    if constexpr (Large::kWalks)
      if (tiled)
        for (int64_t job = from; job < std::min(to, Tiled::groups(hidden)); ++job)
          TiledWalker<Cell>::template lay_weights<kBackward>(hh, tiles + d * tile_size, job, hidden);
    if (!outer) return;
    for (int64_t job = from; job < std::min(to, outer_groups); ++job) {
      T* to = outer_panels + d * outer_size;
      if (outer_matrix(d) && (job + 1) * kColumns<T> <= outer_columns) continue;
      if (fused)
        pack_forward(ih, to, job, hidden, input, S::kBlocks, S::kJoined, S::wide);
      else if (kBackward)
        Large::lay_columns(ih, to, job, outer_columns, outer_depth);
      else
        Large::lay_rows(ih, to, job, outer_columns, outer_depth);
    }
  }

  // What the outer product reads without its being laid out, or null.
  const T* outer_matrix(int d) const {
    return as_it_is && !Large::kWalks ? static_cast<const T*>(scan.direction[d].weight_ih) : nullptr;
  }

  // Rows of a large product, by tiles of them.
  static int64_t tiles_of(int64_t rows) { return pieces(rows, Large::kRows); }
  // P = X·W_ihᵀ + b of one direction.
  void project(Large& large, int d, int64_t from, int64_t to, T* memory) const {
    T* const out = scan.reads ? read + d * read_size : static_cast<T*>(scan.direction[d].gates);
    large.rows_product(static_cast<const T*>(scan.x), input, outer_panels + d * outer_size, nullptr, input, projected,
                       bias(d), false, out, from * Large::kRows, std::min(to * Large::kRows, inputs), memory);
  }
  // dX = Σ dP·W_ih over the directions. Each begins with a half of the rows and adds to the other one what the other
  // direction has begun: who walks a direction multiplies what lies next to him, and the sum is always the same.
  int64_t input_tiles() const { return pieces(tiles_of(inputs), ways); }
  void input_grads(Large& large, int d, bool begins, int64_t from, int64_t to, T* memory) const {
    const int64_t start = begins == (d == 0) ? 0 : input_tiles();
    const int64_t first = std::min((start + from) * Large::kRows, inputs), last = std::min((start + to) * Large::kRows, inputs);
    large.rows_product(grads(d), grad_stride, outer_panels + d * outer_size, outer_matrix(d), projected, input, nullptr,
                       !begins, static_cast<T*>(scan.grad_x), first, last, memory);
  }

  // The gradients of the projections: as they are, or those of each row of x summed.
  const T* grads(int d) const {
    return scan.reads ? read + d * read_size : static_cast<const T*>(scan.direction[d].grad_gates);
  }
  const int64_t own_stride = Cell::kGradBlocks * hidden, grad_stride = scan.reads ? projected : own_stride;
  // A block under a gate: its own gradient lies behind all the others.
  const int64_t plain = Cell::kInside < 0 ? projected : Cell::kInside * hidden;

  // Sums them, step after step in every number: this part's columns.
  void sum_grads(int d, int part, int parts) const {
    const int64_t all = pieces(projected, 16), from = all * part / parts * 16;
    const int64_t count = std::min(all * (part + 1) / parts * 16, projected) - from;
    T* const sum = read + d * read_size + from;
    for (int64_t r = 0; r < inputs; ++r) std::memset(static_cast<void*>(sum + r * projected), 0, count * sizeof(T));
    const T* grad = static_cast<const T*>(scan.direction[d].grad_gates) + from;
    for (int64_t r = 0; r < scan.rows; ++r, grad += Cell::kGradBlocks * hidden) {
      T* const to = sum + scan.reads[r] * projected;
      for (int64_t j = 0; j < count; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<int64_t>(kLanes<T>, count - j));
        store(to + j, load(to + j, n) + load(grad + j, n), n);
      }
    }
  }

  // dW_ih = dPᵀ·X and dW_hh = dPᵀ·H[t-1] of both directions: the rows of all that are this thread's, in proportion to
  // what each has `done` before, where that was enough to tell.
  void weights(Large& large, const int64_t* done, int thread, int threads, T* memory) const {
    const int64_t tiles = tiles_of(projected), line = ways * tiles;
    const int64_t all = std::accumulate(done, done + threads, int64_t{0});
    const auto start = [&](int of) {
      int64_t at = line * of / threads;
      if (all >= kTold * threads) at = line * std::accumulate(done, done + of, int64_t{0}) / all;
      const int64_t way = (at + tiles / 2) / tiles * tiles;  // for a few rows of another direction all else is laid out
      return std::abs(at - way) <= tiles / 32 ? way : at;
    };
    const int64_t begin = start(thread), end = start(thread + 1);
    for (int d = 0; d < ways; ++d) {
      const int64_t from = std::max(begin, d * tiles) - d * tiles, to = std::min(end, (d + 1) * tiles) - d * tiles;
      if (from < to) weights(large, d, from * Large::kRows, std::min(to * Large::kRows, projected), memory);
    }
  }

  // Some rows of one direction. Both go together where they sum over the same steps: laying out dP takes a tenth to a
  // sixth of a product, and serves both.
  void weights(Large& large, int d, int64_t from, int64_t to, T* memory) const {
    const T* const own = static_cast<const T*>(scan.direction[d].grad_gates);
    if (!scan.reads) return sum_steps<true, true>(large, d, scan.rows, own, grad_stride, nullptr, from, to, memory);
    sum_steps<true, false>(large, d, inputs, grads(d), grad_stride, nullptr, from, to, memory);
    const bool some = !later[d].empty();  // of all other steps h before is zero
    sum_steps<false, true>(large, d, some ? static_cast<int64_t>(later[d].size()) : scan.rows, own, own_stride,
                           some ? later[d].data() : nullptr, from, to, memory);
    // What the gradients of the projections do not tell: that of a bias under a gate.
    const int64_t first = std::max(from, plain);
    for (int64_t i = first; i < to; i += Large::kTogether)
      add_to_biases(d, own, own_stride, scan.rows, i + hidden, std::min(i + Large::kTogether, to) + hidden);
  }
  static constexpr int64_t kTold = 48;  // tiles that each has done

  void add_to_biases(int d, const T* grads, int64_t stride, int64_t deep, int64_t from, int64_t to) const {
    T *const total = sums + d * kept, *const lost = total + sum_size;
    add_columns<T, Large::kTogether>(grads + from, stride, deep, to - from, total + from, lost + from);
  }

  // With `named`, the steps that count are those; else all `count` of them.
  template <bool kX, bool kH>
  void sum_steps(Large& large, int d, int64_t count, const T* grads, int64_t stride, const int64_t* named, int64_t from,
                 int64_t to, T* memory) const {
    const Way<T> on = way(d);
    const bool reverse = on.way.reverse != 0;
    const T* const x = static_cast<const T*>(scan.x);
    T *const x_panels = memory, *const h_panels = x_panels + Large::steps_size(input);
    T* const left = h_panels + Large::steps_size(hidden);
    T *const ih = static_cast<T*>(on.way.grad_weight_ih), *const hh = static_cast<T*>(on.way.grad_weight_hh);
    if (count == 0) {
      if (kX) std::memset(static_cast<void*>(ih + from * input), 0, (to - from) * input * sizeof(T));
      if (kH) std::memset(static_cast<void*>(hh + from * hidden), 0, (to - from) * hidden * sizeof(T));
    }
    int64_t sequence = 0;
    const auto before = [&](int64_t row) {
      if (row < scan.offsets[sequence]) sequence = 0;
      while (row >= scan.offsets[sequence + 1]) ++sequence;
      const bool first = row == (reverse ? scan.offsets[sequence + 1] - 1 : scan.offsets[sequence]);
      return on.h_before(first ? -1 : reverse ? row + 1 : row - 1, sequence);
    };
    // So many steps go in one run: fewer where they would not fit into a near cache, and fewer still where rounding
    // shows, for a small product costs little however it is summed.
    const bool small = projected * (input + hidden) <= kSmallSum;
    const bool large_steps = (left - memory) * static_cast<int64_t>(sizeof(T)) > near() / 2;
    const int64_t step = small ? kDeep / 8 : large_steps ? kDeep / 2 : kDeep;
    for (int64_t r = 0; r < count; r += step) {
      const int64_t deep = std::min(step, count - r);
      if (kX) Large::lay_steps(deep, [&](int64_t k) { return x + (r + k) * input; }, input, x_panels);
      if (kH) Large::lay_steps(deep, [&](int64_t k) { return before(named ? named[r + k] : r + k); }, hidden, h_panels);
      const T* const of_run = named ? grads : grads + r * stride;
      const auto lay = [&](int64_t i, int64_t columns) {
        if constexpr (Large::kWalks)
          Large::lay_left(of_run + i, stride, deep, columns, left);
        else
          Large::lay_left(of_run + i, stride, deep, columns, left, named ? named + r : nullptr);
      };
      for (int64_t i = from, end; i < to; i = end) {
        end = std::min({i + Large::kTogether, to, i < plain ? plain : to});
        if (kX) {
          add_to_biases(d, of_run, stride, deep, i, end);
          if (kH && i >= plain) add_to_biases(d, of_run, stride, deep, i + hidden, end + hidden);
          lay(i, end - i);
          large.sums_product(deep, left, end - i, x_panels, input, r > 0, ih + i * input);
        }
        if (!kH) continue;
        if (!kX || i >= plain) lay(i < plain ? i : i + hidden, end - i);
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
      ih[j] = sums[d * kept + j], hh[j] = sums[d * kept + own];
    }
  }

  void finish_states(int d, const Rows& rows) const {
    const Way<T> on = way(d);
    for (int64_t i = 0; i < scan.batch; ++i) {
      const int64_t b = rows.sequence[i], length = rows.length[i];
      const int64_t last = length ? rows.row(i, length - 1) : -1;
      const T* from[2] = {on.h_before(last, b), on.way.final[1] ? on.c_before(last, b) : nullptr};
      for (int n = 0; n < 2; ++n) {
        T* to = static_cast<T*>(on.way.final[n]);
        if (!to) continue;
        if (from[n])
          std::memcpy(to + b * hidden, from[n], hidden * sizeof(T));
        else
          std::memset(static_cast<void*>(to + b * hidden), 0, hidden * sizeof(T));
      }
    }
  }
};

}  // namespace ELMAN_VARIANT
