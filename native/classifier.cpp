// A classifier in one call: what the parts of the C face do one after another, in memory that they share.
#include <algorithm>
#include <cstring>

#include "elman.h"

#define ELMAN_VARIANT whole
#include "arena.h"

namespace {

thread_local whole::Arena arena;

int blocks_of(int cell) { return cell == ELMAN_LSTM ? 4 : cell == ELMAN_GRU ? 3 : 1; }

struct Classifier {
  static constexpr int64_t kLine = 16;  // numbers of 64 bytes
  const elman_classifier& on;
  const int64_t width = on.directions * on.hidden, rows = blocks_of(on.cell) * on.hidden;
  const int each = on.biased ? 4 : 2;  // weights of one direction
  // By direction.
  const int64_t gates_size = lines(on.steps * rows), kept_size = on.cell > ELMAN_RNN_RELU ? lines(on.steps * on.hidden) : 0;
  const int64_t ends_size = lines(on.batch * width);
  const int64_t wide = std::max(width, on.input), x_size = lines(on.steps * on.input);
  float *x = nullptr, *outputs = nullptr, *gates = nullptr, *kept = nullptr, *ends = nullptr, *grad_ends = nullptr;
  float *grad[2] = {};  // of what a layer gives, and of what it reads
  int64_t *distinct = nullptr, *which = nullptr, found = 0;

  explicit Classifier(const elman_classifier& given) : on(given) {}

  static int64_t lines(int64_t count) { return (count + kLine - 1) / kLine * kLine; }
  const float* weight(int layer, int d, int which) const { return on.weights[(layer * on.directions + d) * each + which]; }
  int64_t input_of(int layer) const { return layer ? width : on.input; }
  bool shares() const { return static_cast<double>(found) <= on.shared * static_cast<double>(on.steps); }

  bool sound() const {
    if (on.cell < 0 || on.cell > ELMAN_GRU || on.layers < 1 || on.directions < 1 || on.directions > 2 || on.batch < 1 ||
        on.steps < 1 || on.table < 1 || on.input < 1 || on.hidden < 1 || on.outputs < 1 || !on.offsets || !on.words ||
        !on.targets || !on.rows || !on.weights || !on.head || !on.grads || !on.read != !on.reads)
      return false;
    return std::all_of(on.weights, on.weights + on.layers * on.directions * each, [](const float* one) { return one; });
  }

  bool begin() {
    const int64_t layer = lines(on.steps * width) + on.directions * (gates_size + kept_size);
    const int64_t numbers = x_size + on.layers * layer + 4 * ends_size + 2 * lines(on.steps * wide);
    distinct = static_cast<int64_t*>(arena.of(numbers * sizeof(float) + 2 * lines(on.steps) * sizeof(int64_t)));
    if (!distinct) return false;
    which = distinct + lines(on.steps);
    float* at = reinterpret_cast<float*>(which + lines(on.steps));
    const auto next = [&at](int64_t count) { return at += count, at - count; };
    x = next(x_size), outputs = next(on.layers * lines(on.steps * width));
    gates = next(on.layers * on.directions * gates_size), kept = next(on.layers * on.directions * kept_size);
    ends = next(2 * ends_size), grad_ends = next(2 * ends_size);
    for (float*& one : grad) one = next(lines(on.steps * wide));
    return true;
  }

  // The rows of the table that are read, each once if they are shared.
  bool look_up() {
    found = elman_distinct(on.steps, on.table, on.words, distinct, which);
    if (found < 0) return false;
    const int64_t *numbers = shares() ? distinct : on.words, count = shares() ? found : on.steps;
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(x + i * on.input, on.rows + numbers[i] * on.input, on.input * sizeof(float));
    return true;
  }

  // One layer, with what both passes are given.
  elman_scan scan(int layer) const {
    elman_scan scan{};
    scan.cell = on.cell, scan.type = ELMAN_FLOAT32, scan.directions = on.directions, scan.threads = on.threads, scan.keep = 1;
    scan.batch = on.batch, scan.rows = on.steps, scan.input = input_of(layer), scan.hidden = on.hidden;
    scan.output_stride = scan.grad_stride = width, scan.offsets = on.offsets;
    scan.x = layer ? outputs + (layer - 1) * lines(on.steps * width) : x;
    if (!layer && shares()) scan.reads = which, scan.inputs = found;
    for (int d = 0; d < on.directions; ++d) {
      elman_direction& way = scan.direction[d];
      way.reverse = d, way.weight_ih = weight(layer, d, 0), way.weight_hh = weight(layer, d, 1);
      if (on.biased) way.bias_ih = weight(layer, d, 2), way.bias_hh = weight(layer, d, 3);
      way.outputs = outputs + layer * lines(on.steps * width) + d * on.hidden;
      way.gates = gates + (layer * on.directions + d) * gates_size;
      void*& more = on.cell == ELMAN_LSTM ? way.cells : way.candidates;
      if (kept_size) more = kept + (layer * on.directions + d) * kept_size;
      way.final[0] = ends + d * on.batch * on.hidden;
      way.final[1] = on.cell == ELMAN_LSTM ? ends + ends_size + d * on.batch * on.hidden : nullptr;
    }
    return scan;
  }

  // Where the gradients of a layer's weights begin, and behind the last layer those of the head.
  float* grads_of(int layer) const {
    const int64_t lower = on.input + on.hidden + (on.biased ? 2 : 0), upper = lower - on.input + width;
    return on.grads + (on.read ? on.steps : on.table) * on.input + (layer ? on.directions * rows * (lower + (layer - 1) * upper) : 0);
  }

  // The way back through a layer. From above come the gradients of its outputs (`from`; none for the upper layer, whose
  // last states have theirs), and to `to` go those of what it reads.
  int32_t back(int layer, const float* from, float* to) const {
    float* at = grads_of(layer);
    elman_scan scan = this->scan(layer);
    scan.grad_x = to;
    if (from) std::memset(static_cast<void*>(grad_ends), 0, ends_size * sizeof(float));
    std::memset(static_cast<void*>(grad_ends + ends_size), 0, ends_size * sizeof(float));
    for (int d = 0; d < on.directions; ++d) {
      elman_direction& way = scan.direction[d];
      if (on.cell != ELMAN_GRU) way.grad_gates = way.gates;
      way.grad_outputs = from ? from + d * on.hidden : nullptr;
      for (int n = 0; n < 2; ++n) way.grad_initial[n] = grad_ends + n * ends_size + d * on.batch * on.hidden;
      way.grad_weight_ih = at, way.grad_weight_hh = at += rows * scan.input, at += rows * on.hidden;
      if (on.biased) way.grad_bias_ih = at, way.grad_bias_hh = at += rows, at += rows;
    }
    return elman_backward(&scan);
  }

  int32_t run(double* loss) {
    if (!look_up()) return ELMAN_BAD_ARGUMENT;
    for (int layer = 0; layer < on.layers; ++layer) {
      const elman_scan scan = this->scan(layer);
      if (const int32_t status = elman_forward(&scan)) return status;
    }
    float* const at = grads_of(on.layers);
    elman_cross_entropy end{};
    end.threads = on.threads, end.rows = on.batch, end.input = width, end.outputs = on.outputs, end.parts = on.directions;
    end.x = ends, end.weight = on.head, end.bias = on.head_bias, end.targets = on.targets, end.smoothing = on.smoothing;
    end.grad_x = grad_ends, end.grad_weight = at, end.grad_bias = on.head_bias ? at + on.outputs * width : nullptr;
    if (const int32_t status = elman_mean_cross_entropy(&end, loss)) return status;
    for (int layer = on.layers - 1; layer >= 0; --layer) {
      const float* from = layer == on.layers - 1 ? nullptr : grad[(layer + 1) % 2];
      if (const int32_t status = back(layer, from, grad[layer % 2])) return status;
    }
    return of_table();
  }

  int32_t of_table() const {
    const int64_t count = shares() ? found : on.steps, *numbers = shares() ? distinct : on.words;
    if (!on.read) return elman_add_rows(on.threads, count, on.input, on.table, numbers, grad[0], on.grads);
    *on.reads = elman_sum_rows(count, on.input, on.table, numbers, grad[0], on.read, on.grads);
    return *on.reads < 0 ? ELMAN_NO_MEMORY : ELMAN_OK;
  }
};

}  // namespace

extern "C" int32_t elman_classify(const elman_classifier* on, double* loss) {
  if (!on || !loss) return ELMAN_BAD_ARGUMENT;
  Classifier classifier(*on);
  if (!classifier.sound()) return ELMAN_BAD_ARGUMENT;
  if (!classifier.begin()) return ELMAN_NO_MEMORY;
  const int32_t status = classifier.run(loss);
  arena.done();
  return status;
}
