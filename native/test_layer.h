// One layer with everything that a call points at, in buffers exactly as large as the C face says.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "elman.h"

namespace {

int faults = 0;

void expect(bool truth, const std::string& what) {
  if (truth) return;
  std::fprintf(stderr, "failed: %s\n", what.c_str());
  ++faults;
}

std::mt19937 numbers(0);
std::vector<double> drawn(size_t count, double scale = 1.0) {
  std::normal_distribution<double> normal(0.0, scale);
  std::vector<double> found(count);
  for (double& one : found) one = normal(numbers);
  return found;
}

double number() { return drawn(1)[0]; }

const char* const kNames[] = {"rnn", "rnn-relu", "lstm", "gru"};
const int kBlocks[] = {1, 1, 4, 3};

// One layer with everything that a call points at.
template <class T>
struct Layer {
  using Many = std::vector<T>;
  int cell, ways, threads;
  int64_t input, hidden, batch, rows, inputs;
  std::vector<int64_t> offsets, reads;  // which row of x each step reads, where they share rows
  Many x, outputs, grad_outputs, grad_x;
  struct Way {
    Many weight_ih, weight_hh, bias_ih, bias_hh, gates, cells, candidates, initial[2], final[2];
    Many grad_ih, grad_hh, grad_bias_ih, grad_bias_hh, grad_initial[2];
  } way[2];

  static Many typed(const std::vector<double>& from) { return Many(from.begin(), from.end()); }

  Layer(int cell, int ways, int threads, int64_t input, int64_t hidden, const std::vector<int64_t>& lengths,
        bool shared = false)
      : cell(cell), ways(ways), threads(threads), input(input), hidden(hidden) {
    offsets.push_back(0);
    for (int64_t one : lengths) offsets.push_back(offsets.back() + one);
    batch = static_cast<int64_t>(lengths.size()), rows = offsets.back();
    const int64_t blocks = kBlocks[cell] * hidden;
    inputs = shared ? rows / 2 + 2 : rows;  // some of which nobody reads
    for (int64_t row = 0; shared && row < rows; ++row) reads.push_back(static_cast<int64_t>(numbers() % inputs));
    x = typed(drawn(inputs * input)), outputs = Many(rows * ways * hidden), grad_x = Many(inputs * input);
    grad_outputs = typed(drawn(rows * ways * hidden));
    for (int d = 0; d < ways; ++d) {
      Way& one = way[d];
      one.weight_ih = typed(drawn(blocks * input, 0.4)), one.weight_hh = typed(drawn(blocks * hidden, 0.4));
      one.bias_ih = typed(drawn(blocks, 0.3)), one.bias_hh = typed(drawn(blocks, 0.3));
      one.gates = Many(rows * blocks);
      one.cells = Many(cell == ELMAN_LSTM ? rows * hidden : 0);
      one.candidates = Many(cell == ELMAN_GRU ? rows * hidden : 0);
      one.grad_ih = Many(blocks * input), one.grad_hh = Many(blocks * hidden);
      one.grad_bias_ih = Many(blocks), one.grad_bias_hh = Many(blocks);
      for (int n = 0; n < (cell == ELMAN_LSTM ? 2 : 1); ++n) {
        one.initial[n] = typed(drawn(batch * hidden)), one.final[n] = Many(batch * hidden);
        one.grad_initial[n] = Many(batch * hidden);
      }
    }
  }

  elman_scan call(bool backward) {
    elman_scan scan{};
    scan.cell = cell, scan.type = sizeof(T) == 4 ? ELMAN_FLOAT32 : ELMAN_FLOAT64, scan.directions = ways;
    scan.threads = threads, scan.keep = scan.need_initial = 1, scan.batch = batch, scan.rows = rows, scan.input = input;
    scan.hidden = hidden, scan.output_stride = scan.grad_stride = ways * hidden;
    scan.reads = reads.empty() ? nullptr : reads.data(), scan.inputs = inputs;
    scan.offsets = offsets.data(), scan.x = x.data(), scan.grad_x = backward ? grad_x.data() : nullptr;
    for (int d = 0; d < ways; ++d) {
      Way& from = way[d];
      elman_direction& to = scan.direction[d];
      to.reverse = d, to.weight_ih = from.weight_ih.data(), to.weight_hh = from.weight_hh.data();
      to.bias_ih = from.bias_ih.data(), to.bias_hh = from.bias_hh.data(), to.gates = from.gates.data();
      to.outputs = outputs.data() + (rows ? d * hidden : 0), to.cells = from.cells.data();
      to.candidates = from.candidates.data();
      to.grad_weight_ih = from.grad_ih.data(), to.grad_weight_hh = from.grad_hh.data();
      to.grad_bias_ih = from.grad_bias_ih.data(), to.grad_bias_hh = from.grad_bias_hh.data();
      to.grad_outputs = rows ? grad_outputs.data() + d * hidden : nullptr;
      for (int n = 0; n < 2; ++n) {
        to.initial[n] = from.initial[n].empty() ? nullptr : from.initial[n].data();
        to.final[n] = from.final[n].empty() ? nullptr : from.final[n].data();
        to.grad_initial[n] = from.grad_initial[n].empty() ? nullptr : from.grad_initial[n].data();
      }
    }
    return scan;
  }

  // Σ outputs·grad_outputs, after a forward pass.
  double total() {
    const elman_scan scan = call(false);
    expect(elman_forward(&scan) == ELMAN_OK, "a forward pass runs");
    double sum = 0;
    for (size_t n = 0; n < outputs.size(); ++n) sum += double(outputs[n]) * double(grad_outputs[n]);
    return sum;
  }

  // The same outputs where nothing is kept: the call has memory of its own for what it needs on the way.
  void forget() {
    const Many before = outputs;
    elman_scan scan = call(false);
    scan.keep = 0;
    for (elman_direction& one : scan.direction) one.gates = one.candidates = nullptr;
    std::fill(outputs.begin(), outputs.end(), T(0));
    expect(elman_forward(&scan) == ELMAN_OK, "a forward pass without memory runs");
    expect(outputs == before, std::string(kNames[cell]) + ", outputs of which nothing is kept");
    scan.direction[0].gates = way[0].gates.data();  // of one direction alone
    std::fill(outputs.begin(), outputs.end(), T(0));
    expect(elman_forward(&scan) == ELMAN_OK && outputs == before, std::string(kNames[cell]) + ", some memory is given");
  }

  void backward() {
    for (Way& one : way)
      for (Many& grad : one.grad_initial) std::fill(grad.begin(), grad.end(), T(0));
    const elman_scan scan = call(true);
    expect(elman_backward(&scan) == ELMAN_OK, "a backward pass runs");
  }

  // The same gradients of the weights where nobody asks for those of the initial states.
  void begin_with_nothing() {
    backward();
    const Many before = way[0].grad_hh;
    for (Way& one : way)
      for (Many& grad : one.grad_initial) std::fill(grad.begin(), grad.end(), T(0));
    elman_scan scan = call(true);
    scan.need_initial = 0;
    std::fill(way[0].grad_hh.begin(), way[0].grad_hh.end(), T(0));
    expect(elman_backward(&scan) == ELMAN_OK, "a backward pass to no initial state runs");
    expect(way[0].grad_hh == before, std::string(kNames[cell]) + ", the initial states are not asked for");
  }
};

}  // namespace
