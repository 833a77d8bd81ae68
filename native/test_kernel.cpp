// The kernel's own test, for sanitizers: every cell, odd sizes, ragged batches, both ways, one to three
// threads. Buffers are exactly as large as the C face says, so that a read or a write beside them is found;
// gradients are held to finite differences, the step to the scan, and malformed calls to be refused.
//
//     g++ -std=c++17 -O1 -g -fsanitize=address,undefined -fopenmp … variant.cpp elman.cpp test_kernel.cpp
#include <cmath>
#include <thread>

#include "helper.h"
#include "test_classifier.h"
#include "test_layer.h"
#include "test_pooling.h"

namespace {

// A few derivatives of each kind, by finite differences.
void gradients(int cell, int ways, int threads, int64_t input, int64_t hidden, const std::vector<int64_t>& lengths,
               bool shared) {
  Layer<double> layer(cell, ways, threads, input, hidden, lengths, shared);
  layer.total(), layer.forget(), layer.total(), layer.begin_with_nothing(), layer.backward();
  const auto check = [&](std::vector<double>& values, const std::vector<double>& grads, const char* what) {
    for (int n = 0; n < 2 && !values.empty(); ++n) {
      const size_t at = numbers() % values.size();
      const double before = values[at], step = 1e-6;
      values[at] = before + step;
      const double up = layer.total();
      values[at] = before - step;
      const double down = layer.total(), found = (up - down) / (2 * step), kink = cell == ELMAN_RNN_RELU ? 1e-2 : 1e-5;
      values[at] = before;
      expect(std::fabs(found - grads[at]) <= kink * (1 + std::fabs(found)),
             std::string(kNames[cell]) + ", the gradient of " + what + ": " + std::to_string(grads[at]) + " for " +
                 std::to_string(found));
    }
  };
  check(layer.x, layer.grad_x, "x");
  for (int d = 0; d < ways; ++d) {
    auto& way = layer.way[d];
    check(way.weight_ih, way.grad_ih, "weight_ih"), check(way.weight_hh, way.grad_hh, "weight_hh");
    check(way.bias_ih, way.grad_bias_ih, "bias_ih"), check(way.bias_hh, way.grad_bias_hh, "bias_hh");
    check(way.initial[0], way.grad_initial[0], "the initial state");
    check(way.initial[1], way.grad_initial[1], "the initial memory");
  }
}

// The step of one sequence, weights in rows and in panels, is the scan's.
void steps(int cell, int64_t input, int64_t hidden) {
  Layer<float> layer(cell, 1, 1, input, hidden, {5});
  auto& way = layer.way[0];
  for (float& one : way.weight_hh) one /= 1 + hidden / 64;  // or a ReLU would grow without bounds
  layer.total();
  const int64_t blocks = kBlocks[cell] * hidden;
  const auto panels = [](const std::vector<float>& from, int64_t rows, int64_t depth, int64_t cut) {
    std::vector<float> to;
    for (int64_t first = 0, last = cut; first < rows; first = last, last = rows)
      for (int64_t block = first; block < last; block += 64)
        for (int64_t k = 0; k < depth; ++k)
          for (int64_t r = block; r < block + 64; ++r) to.push_back(r < last ? from[r * depth + k] : 0.0f);
    return to;
  };
  const auto ih = panels(way.weight_ih, blocks, input, blocks);
  const auto hh = panels(way.weight_hh, blocks, hidden, cell == ELMAN_GRU ? 2 * hidden : blocks);
  for (int form = 0; form < 3; ++form) {  // rows, panels, and panels that are shared
    std::vector<float> h = way.initial[0], c = way.initial[1], scratch(4 * hidden);
    const elman_step_layer one{input, form ? ih.data() : way.weight_ih.data(), form ? hh.data() : way.weight_hh.data(),
                               nullptr, nullptr, way.bias_ih.data(), way.bias_hh.data()};
    const elman_stepper on{cell, ELMAN_FLOAT32, 1, form > 0, 1 + form / 2, 1, hidden, &one, h.data(), c.empty() ? nullptr : c.data(),
                           scratch.data()};
    expect(elman_step_check(&on) == ELMAN_OK, "a step is accepted");
    for (int64_t t = 0; t < layer.rows; ++t) {
      expect(elman_step(&on, layer.x.data() + t * input) == ELMAN_OK, "a step runs");
      for (int64_t j = 0; j < hidden; ++j)
        // In parts of the number: a unit of ReLU may be of any size.
        expect(std::fabs(h[j] - layer.outputs[t * hidden + j]) < 1e-4 * (1 + std::fabs(h[j])),
               std::string(kNames[cell]) + ", a step");
    }
  }
}

void linear(int64_t width, const std::vector<int64_t>& lengths, int reverse, int threads) {
  std::vector<int64_t> offsets{0};
  for (int64_t one : lengths) offsets.push_back(offsets.back() + one);
  const int64_t rows = offsets.back(), batch = static_cast<int64_t>(lengths.size());
  const auto a = drawn(rows * width, 0.5), b = drawn(rows * width), initial = drawn(batch * width);
  std::vector<double> outputs(rows * width), final(batch * width), da(rows * width), db(rows * width), carry = initial;
  elman_linear call{ELMAN_FLOAT64, threads, reverse, batch, rows, width, offsets.data(), a.data(), b.data(),
                    initial.data(), outputs.data(), final.data(), outputs.data(), da.data(), db.data(), carry.data()};
  expect(elman_linear_forward(&call) == ELMAN_OK && elman_linear_backward(&call) == ELMAN_OK, "a linear scan runs");
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t j = 0; j < width; ++j) {
      double h = initial[n * width + j];
      for (int64_t s = 0; s < lengths[n]; ++s) {
        const int64_t row = offsets[n] + (reverse ? lengths[n] - 1 - s : s), at = row * width + j;
        h = a[at] * h + b[at];
        expect(std::fabs(outputs[at] - h) < 1e-9, "a linear recurrence");
      }
      expect(std::fabs(final[n * width + j] - h) < 1e-9, "the end of a linear recurrence");
    }
}

// Rows that are moved when they are read, against every row moved at every step.
void rows(int64_t width, int threads) {
  const int64_t table = 7, steps = 30;
  const double beta1 = 0.9, beta2 = 0.999, rate = 0.01, decay = 0.1, small = 1e-8;
  std::vector<float> weight(table * width), m(table * width), v(table * width), moved(table), reach(steps + 1), left(steps + 1);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>(number());
  std::vector<double> w(weight.begin(), weight.end()), first(table * width), second(table * width);
  elman_rows call{threads, 0, width, table, 0, nullptr, nullptr, weight.data(), m.data(), v.data(), moved.data(),
                  reach.data(), left.data(), beta1, beta2, 1, 0, small, 1};
  for (int64_t step = 1; step <= steps; ++step) {
    const std::vector<int64_t> read{step % 3, 1 + step % 5, step % 3};
    std::vector<float> grads(read.size() * width), sums(grads.size());
    std::vector<int64_t> distinct(read.size());
    std::vector<double> dense(table * width);
    for (size_t i = 0; i < grads.size(); ++i) dense[read[i / width] * width + i % width] += grads[i] = static_cast<float>(number());
    call.step = step - 1, call.grads = nullptr, call.eps = small;
    call.rows = read.data(), call.count = static_cast<int64_t>(read.size());
    expect(elman_move_rows(&call) == ELMAN_OK, "rows brought up to date");
    const double bias = std::sqrt(1 - std::pow(beta2, step)), size = rate * bias / (1 - std::pow(beta1, step));
    call.count = elman_sum_rows(call.count, width, table, read.data(), grads.data(), distinct.data(), sums.data());
    expect(call.count >= 1 && call.count <= 2, "rows that stand twice");
    call.step = step, call.rows = distinct.data(), call.grads = sums.data();
    call.kept = 1 - rate * decay, call.size = size, call.eps = small * bias;
    expect(elman_move_rows(&call) == ELMAN_OK, "a step of rows");
    for (size_t i = 0; i < w.size(); ++i) {
      first[i] = beta1 * first[i] + (1 - beta1) * dense[i];
      second[i] = beta2 * second[i] + (1 - beta2) * dense[i] * dense[i];
      w[i] = w[i] * (1 - rate * decay) - size * first[i] / (std::sqrt(second[i]) + small * bias);
    }
  }
  call.rows = nullptr, call.grads = nullptr, call.count = table, call.eps = small;
  expect(elman_move_rows(&call) == ELMAN_OK, "all rows brought up to date");
  for (size_t i = 0; i < w.size(); ++i) expect(std::fabs(w[i] - weight[i]) < 1e-4, "a row under AdamW");
  const int64_t beyond = table;
  call.rows = &beyond, call.count = 1;
  expect(elman_move_rows(&call) != ELMAN_OK && elman_move_rows(nullptr) != ELMAN_OK, "a row beyond the table");
  int64_t one = 0, which = 0;
  expect(elman_sum_rows(1, width, table, &beyond, weight.data(), &one, weight.data()) < 0, "a sum beyond the table");
  expect(elman_distinct(1, table, &beyond, &one, &which) < 0, "a distinct row beyond the table");
}

// The gradient of a whole table, with any number of threads.
void table() {
  for (const int64_t rows : {1, 7, 900}) {
    const int64_t width = 67, count = 2 * rows + 1;
    std::vector<int64_t> read(count);
    std::vector<float> grads(count * width), wanted(rows * width), found(rows * width, 5);
    for (int64_t i = 0; i < count; ++i) {
      read[i] = i * i % rows;
      for (int64_t j = 0; j < width; ++j) wanted[read[i] * width + j] += grads[i * width + j] = static_cast<float>(number());
    }
    for (const int threads : {1, 2, 3}) {
      expect(elman_add_rows(threads, count, width, rows, read.data(), grads.data(), found.data()) == ELMAN_OK, "rows that are added");
      expect(found == wanted, "the gradient of a table");
    }
    expect(elman_add_rows(2, 0, width, rows, nullptr, nullptr, found.data()) == ELMAN_OK, "nothing that was read");
    for (const float one : found) expect(one == 0, "a table of which nothing was read");
    read[0] = rows;
    expect(elman_add_rows(2, count, width, rows, read.data(), grads.data(), found.data()) != ELMAN_OK, "a row beyond the table");
  }
}

// Each piece of a work is done once, by whichever of two threads; two that ask at a time, often enough to keep the other
// awake, and after so long that it sleeps.
void shared_out() {
  static Helper* const helper = new Helper;  // its thread never ends
  const auto ask = [](int which, bool* sound) {
    std::vector<int> done(64);
    for (int turn = 0; turn < 6000; ++turn) {
      const int64_t pieces = 1 + (turn * 7 + which) % 13;
      std::fill(done.begin(), done.end(), 0);
      helper->worth(int64_t{1} << (14 + turn % 8));
      const auto piece = [](const void* of, int64_t n) { ++(**static_cast<std::vector<int>* const*>(of))[n]; };
      std::vector<int>* const to = &done;
      helper->share(pieces, piece, &to);
      for (int64_t n = 0; n < 64; ++n) *sound = *sound && done[n] == (n < pieces);
      if (turn % 1000 == 0) std::this_thread::sleep_for(std::chrono::microseconds(400));
    }
  };
  bool first = true, second = true;
  std::thread other(ask, 5, &second);
  ask(0, &first);
  other.join();
  expect(first && second, "a piece of shared work is done once");
}

// The loss of a linear layer and its gradients, whole and in two parts, against sums in double.
void cross_entropy(int threads, int64_t rows, int64_t input, int64_t outputs, double smoothing) {
  std::vector<float> x(rows * input), weight(outputs * input), bias(outputs), joined(x.size());
  for (auto* one : {&x, &weight, &bias})
    for (float& each : *one) each = static_cast<float>(numbers() % 2001) / 1000.0f - 1.0f;
  std::vector<int64_t> targets(rows);
  for (int64_t& one : targets) one = static_cast<int64_t>(numbers() % outputs);
  for (const int64_t parts : {1, 2}) {
    if (input % parts) continue;
    const int64_t width = input / parts;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < input; ++i) joined[r * input + i] = x[(i / width * rows + r) * width + i % width];
    std::vector<double> grad_x(x.size()), grad_weight(weight.size()), grad_bias(outputs);
    double loss = 0;
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<double> z(bias.begin(), bias.end());
      double sum = 0;
      for (int64_t j = 0; j < outputs; ++j) {
        for (int64_t i = 0; i < input; ++i) z[j] += double(joined[r * input + i]) * weight[j * input + i];
        sum += std::exp(z[j]);
      }
      for (int64_t j = 0; j < outputs; ++j) {
        const double wanted = smoothing / outputs + (j == targets[r] ? 1 - smoothing : 0);
        loss -= wanted * (z[j] - std::log(sum)) / rows;
        const double grad = (std::exp(z[j]) / sum - wanted) / rows;
        grad_bias[j] += grad;
        for (int64_t i = 0; i < input; ++i) {
          grad_weight[j * input + i] += grad * joined[r * input + i];
          grad_x[(i / width * rows + r) * width + i % width] += grad * weight[j * input + i];
        }
      }
    }
    std::vector<float> gx(x.size()), gw(weight.size()), gb(outputs);
    elman_cross_entropy call{threads, rows, input, outputs, parts, x.data(), weight.data(), bias.data(), targets.data(),
                             smoothing, gx.data(), gw.data(), gb.data()};
    double found = 0;
    expect(elman_mean_cross_entropy(&call, &found) == ELMAN_OK && std::fabs(found - loss) < 1e-5 * (1 + loss), "a loss");
    const auto near = [](const std::vector<float>& one, const std::vector<double>& other) {
      double most = 1e-6, apart = 0;
      for (size_t i = 0; i < one.size(); ++i)
        most = std::max(most, std::fabs(other[i])), apart = std::max(apart, std::fabs(one[i] - other[i]));
      return apart < 2e-5 * most;
    };
    expect(near(gx, grad_x) && near(gw, grad_weight) && near(gb, grad_bias), "the gradients of a loss");
    call.grad_x = call.grad_weight = call.grad_bias = nullptr;
    double alone = 0;
    expect(elman_mean_cross_entropy(&call, &alone) == ELMAN_OK && alone == found, "a loss without gradients");
    targets[rows - 1] = outputs;
    expect(elman_mean_cross_entropy(&call, &alone) != ELMAN_OK, "a target that is no output");
    targets[rows - 1] = 0;
  }
}

// The distinct ones of some rows, again and again, of tables of any size.
void distinct() {
  for (const int64_t rows : {1, 7, 900, 40}) {
    std::vector<int64_t> read(2 * rows + 1), found(read.size()), which(read.size());
    for (int64_t& one : read) one = static_cast<int64_t>(numbers() % rows);
    const int64_t count = elman_distinct(static_cast<int64_t>(read.size()), rows, read.data(), found.data(), which.data());
    bool sound = count >= 1 && count <= rows;
    for (size_t i = 0; i < read.size(); ++i) sound = sound && which[i] < count && found[which[i]] == read[i];
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < i; ++j) sound = sound && found[i] != found[j];
    expect(sound, "distinct rows");
  }
}

// Some sequences of a batch, of two bytes a step, in any order and more than once.
void picked() {
  const std::vector<int64_t> offsets{0, 3, 3, 4, 9}, chosen{3, 0, 1, 3}, beyond{4};
  std::vector<int64_t> starts(chosen.size() + 1);
  std::string found(26, '?');
  expect(elman_starts(4, offsets.data(), 4, chosen.data(), starts.data()) == 13 &&
         elman_pick(offsets.data(), 4, chosen.data(), 2, "aabbccddeeffgghhii", starts.data(), found.data()) == ELMAN_OK &&
         found == "eeffgghhiiaabbcceeffgghhii", "the steps that were picked");
  expect(elman_starts(4, offsets.data(), 1, beyond.data(), starts.data()) < 0, "a sequence beyond the batch");
}

// All weights at once, some of them empty, against a step in double; and the norm of their gradients.
void weights(int threads) {
  const std::vector<int64_t> counts{1, 0, 63, 16384, 70001};
  const double rate = 0.01, decay = 1.0, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, scale = 0.5;
  std::vector<float> steps(counts.size(), 3);  // so far
  std::vector<std::vector<float>> w, m, v, g;
  std::vector<elman_weights> tensor;
  double squares = 0;
  for (const int64_t count : counts) {
    for (auto* one : {&w, &m, &v, &g}) {
      one->emplace_back(count);
      for (float& x : one->back()) x = static_cast<float>(one == &v ? std::fabs(number()) : number());
    }
    for (const float x : g.back()) squares += static_cast<double>(x) * x;
  }
  for (size_t t = 0; t < counts.size(); ++t)
    tensor.push_back({counts[t], g[t].data(), w[t].data(), m[t].data(), v[t].data(), &steps[t], rate, decay, beta1, beta2, eps});
  elman_adamw call{threads, static_cast<int64_t>(counts.size()), tensor.data(), scale};
  double norm = 0;
  expect(elman_norm(&call, &norm) == ELMAN_OK && std::fabs(norm / std::sqrt(squares) - 1) < 1e-6, "the norm of gradients");
  const auto before = w, first = m, second = v;
  expect(elman_move_weights(&call) == ELMAN_OK, "a step of all weights");
  for (const float step : steps) expect(step == 4, "a step that is counted");
  for (size_t t = 0; t < counts.size(); ++t)
    for (int64_t i = 0; i < counts[t]; ++i) {
      const double grad = scale * g[t][i], mean = beta1 * first[t][i] + (1 - beta1) * grad;
      const double square = beta2 * second[t][i] + (1 - beta2) * grad * grad;
      const double ahead = mean / (1 - std::pow(beta1, 4)), spread = std::sqrt(square / (1 - std::pow(beta2, 4)));
      const double wanted = before[t][i] * (1 - rate * decay) - rate * ahead / (spread + eps);
      expect(std::fabs(w[t][i] - wanted) < 1e-5 * (1 + std::fabs(wanted)), "a weight under AdamW");
      expect(std::fabs(m[t][i] - mean) < 1e-6 && std::fabs(v[t][i] - square) < 1e-6, "the means of its gradients");
    }
  call.tensors = 0;
  expect(elman_norm(&call, &norm) == ELMAN_OK && norm == 0, "no gradient at all");
  tensor[0].v = nullptr, call.tensors = 1;
  expect(elman_move_weights(&call) != ELMAN_OK && elman_move_weights(nullptr) != ELMAN_OK, "a weight without its means");
  expect(elman_norm(nullptr, &norm) != ELMAN_OK && elman_norm(&call, nullptr) != ELMAN_OK, "no norm to be had");
}

void refused() {
  Layer<float> layer(ELMAN_LSTM, 2, 1, 3, 4, {2, 0, 3});
  const auto wrong = [&](const char* what, void (*spoil)(elman_scan&), bool backward = false) {
    elman_scan scan = layer.call(backward);
    spoil(scan);
    expect((backward ? elman_backward(&scan) : elman_forward(&scan)) != ELMAN_OK, what);
  };
  static const int64_t falling[] = {0, 3, 2, 5}, late[] = {1, 2, 2, 5}, beyond[] = {0, 1, 2, 3, 5};
  wrong("no such cell", [](elman_scan& one) { one.cell = 9; });
  wrong("no such type", [](elman_scan& one) { one.type = ELMAN_INT8; });
  wrong("three directions", [](elman_scan& one) { one.directions = 3; });
  wrong("no hidden unit", [](elman_scan& one) { one.hidden = 0; });
  wrong("no input", [](elman_scan& one) { one.input = 0; });
  wrong("a negative batch", [](elman_scan& one) { one.batch = -1; });
  wrong("rows beyond the offsets", [](elman_scan& one) { one.rows = 6; });
  wrong("falling offsets", [](elman_scan& one) { one.offsets = falling; });
  wrong("offsets that begin late", [](elman_scan& one) { one.offsets = late; });
  wrong("no offsets", [](elman_scan& one) { one.offsets = nullptr; });
  wrong("outputs that overlap", [](elman_scan& one) { one.output_stride = 3; });
  wrong("a row beyond x", [](elman_scan& one) { one.reads = beyond; });
  wrong("no x", [](elman_scan& one) { one.x = nullptr; });
  wrong("no weights", [](elman_scan& one) { one.direction[1].weight_hh = nullptr; });
  wrong("one bias", [](elman_scan& one) { one.direction[0].bias_hh = nullptr; });
  wrong("no memory cells", [](elman_scan& one) { one.direction[0].cells = nullptr; });
  wrong("nothing was kept", [](elman_scan& one) { one.keep = 0; }, true);
  wrong("no gradient of a weight", [](elman_scan& one) { one.direction[0].grad_weight_hh = nullptr; }, true);
  Layer<float> gru(ELMAN_GRU, 1, 1, 3, 4, {2});
  elman_scan over = gru.call(true);
  over.direction[0].grad_gates = over.direction[0].gates;
  expect(elman_backward(&over) != ELMAN_OK, "four gradients in the memory of three gates");
  expect(elman_forward(nullptr) != ELMAN_OK && elman_backward(nullptr) != ELMAN_OK, "no call at all");
  expect(elman_step(nullptr, nullptr) != ELMAN_OK && elman_step_check(nullptr) != ELMAN_OK, "no step at all");
}

}  // namespace

int main() {
  const std::vector<std::vector<int64_t>> batches = {{}, {0}, {1}, {5}, {0, 0}, {3, 0, 1, 4}, {9, 1, 2, 7, 3, 3, 0, 5, 6, 2, 4},
                                                      {2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2}};
  for (const char* instructions : {"baseline", "avx2", "avx512", "amx"}) {
    if (elman_use(instructions) != ELMAN_OK) continue;
    for (int cell = 0; cell < 4; ++cell)
      for (const auto& lengths : batches)
        for (const int64_t hidden : {1, 5, 33})
          for (const bool shared : {false, true})
            gradients(cell, 1 + (hidden + lengths.size()) % 2, 1 + (hidden + lengths.size()) % 3, hidden == 5 ? 37 : 3,
                      hidden, lengths, shared);
    for (int cell = 0; cell < 4; ++cell)
      for (const int64_t hidden : {1, 7, 65, 301}) steps(cell, 6, hidden);
    for (const auto& lengths : batches)
      for (const int64_t width : {1, 19, 70}) linear(width, lengths, width == 19, 1 + width % 3);
    for (const int64_t width : {1, 19, 130}) rows(width, 1 + width % 3);
    for (const int threads : {1, 3}) weights(threads);
    for (const int threads : {1, 3}) {
      cross_entropy(threads, 1, 2, 1, 0.0);
      cross_entropy(threads, 5, 3, 7, 0.1);
      cross_entropy(threads, 70, 34, 33, 0.1);
      cross_entropy(threads, 530, 8, 1030, 0.0);
    }
    table(), distinct(), picked(), classifiers(), poolings();
    const auto both = [](Layer<float> one) { one.total(), one.backward(); };
    // Longer than a block of the products is deep, in float32.
    both({ELMAN_GRU, 2, 2, 40, 24, {300, 260, 1}});
    // Large enough for a matrix unit, with a rest in every direction; its recurrence too, by one thread and by two.
    for (const int cell : {ELMAN_RNN_TANH, ELMAN_LSTM, ELMAN_GRU}) {
      for (const bool shared : {false, true}) both({cell, 2, 3, 281, 33, {300, 33, 1}, shared});
    }
    for (const int ways : {1, 2}) both({ELMAN_LSTM, ways, 2, 40, 209, std::vector<int64_t>(35, 3), ways == 1});
    // Panels that are shared for the last few sequences, and panels that no near cache holds.
    for (const int64_t hidden : {130, 420}) both({ELMAN_LSTM, 2, 3, 3, hidden, batches[6], hidden == 420});
  }
  shared_out(), refused(), refused_classifiers();
  std::printf(faults ? "%d faults\n" : "the kernel is sound\n", faults);
  return faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
