// A whole classifier, in buffers exactly as large as the C face says: its gradients by finite differences, those of
// the rows that were read beside those of the whole table, and what it refuses.
#pragma once

#include <cmath>

#include "test_layer.h"

namespace {

struct Whole {
  using Many = std::vector<float>;
  int cell, layers, ways, threads;
  int64_t input, hidden, outputs, table = 9;
  bool biased;
  std::vector<int64_t> offsets{0}, words, targets, read;
  std::vector<Many> weights;
  std::vector<const float*> places;
  Many rows, head, bias, grads;
  int64_t reads = 0;

  static Many some(size_t count) { return Layer<float>::typed(drawn(count, 0.4)); }

  Whole(int cell, int layers, int ways, int threads, int64_t input, int64_t hidden, int64_t outputs, bool biased,
        const std::vector<int64_t>& lengths)
      : cell(cell), layers(layers), ways(ways), threads(threads), input(input), hidden(hidden), outputs(outputs), biased(biased) {
    for (const int64_t one : lengths) {
      offsets.push_back(offsets.back() + one);
      targets.push_back(static_cast<int64_t>(numbers() % outputs));
    }
    for (int64_t step = 0; step < offsets.back(); ++step) words.push_back(static_cast<int64_t>(numbers() % table));
    read.resize(words.size());
    const int64_t blocks = kBlocks[cell] * hidden;
    for (int layer = 0; layer < layers; ++layer)
      for (int d = 0; d < ways; ++d)
        for (int n = 0; n < (biased ? 4 : 2); ++n)
          weights.push_back(some(blocks * (n > 1 ? 1 : n ? hidden : layer ? ways * hidden : input)));
    for (const Many& one : weights) places.push_back(one.data());
    rows = some(table * input), head = some(outputs * ways * hidden), bias = some(outputs);
  }

  elman_classifier call(bool sparse) {
    size_t count = head.size() + (biased ? bias.size() : 0) + (sparse ? words.size() * input : rows.size());
    for (const Many& one : weights) count += one.size();
    grads.assign(count, std::nanf(""));
    elman_classifier on{};
    on.cell = cell, on.layers = layers, on.directions = ways, on.biased = biased, on.threads = threads;
    on.batch = static_cast<int64_t>(targets.size()), on.steps = static_cast<int64_t>(words.size()), on.table = table;
    on.input = input, on.hidden = hidden, on.outputs = outputs, on.smoothing = 0.1, on.shared = 0.75;
    on.offsets = offsets.data(), on.words = words.data(), on.targets = targets.data(), on.rows = rows.data();
    on.weights = places.data(), on.head = head.data(), on.head_bias = biased ? bias.data() : nullptr;
    on.grads = grads.data(), on.read = sparse ? read.data() : nullptr, on.reads = sparse ? &reads : nullptr;
    return on;
  }

  double loss(bool sparse = false) {
    double found = 0;
    const elman_classifier on = call(sparse);
    expect(elman_classify(&on, &found) == ELMAN_OK, "a classifier runs");
    return found;
  }

  void check() {
    const double middle = loss();
    const Many first = grads;
    std::vector<Many*> learned{&rows};
    for (Many& one : weights) learned.push_back(&one);
    learned.push_back(&head);
    if (biased) learned.push_back(&bias);
    size_t at = 0;
    for (Many* one : learned) {
      const size_t which = numbers() % one->size();
      const float before = (*one)[which], step = 4e-3f;
      (*one)[which] = before + step;
      const double up = loss();
      (*one)[which] = before - step;
      const double down = loss(), found = (up - down) / (2 * step);
      (*one)[which] = before;
      // Between two sides of a ReLU's corner there is no gradient to compare with.
      const double bend = std::fabs(up + down - 2 * middle) / step;
      const bool corner = cell == ELMAN_RNN_RELU && bend > 1e-3;
      expect(corner || std::fabs(found - first[at + which]) < 2e-3 * (1 + std::fabs(found)),
             std::string(kNames[cell]) + ", a gradient of a classifier: " + std::to_string(first[at + which]) + " for " +
                 std::to_string(found));
      at += one->size();
    }
    expect(at == first.size(), "all gradients");
    loss(true);
    Many whole(rows.size());
    for (int64_t i = 0; i < reads; ++i) std::copy_n(grads.begin() + i * input, input, whole.begin() + read[i] * input);
    expect(std::equal(whole.begin(), whole.end(), first.begin()), "the rows that were read");
    expect(std::equal(first.begin() + rows.size(), first.end(), grads.begin() + words.size() * input), "all but the table");
  }
};

void classifiers() {
  for (int cell = 0; cell < 4; ++cell)
    for (const int ways : {1, 2})
      for (const int layers : {1, 2, 3})
        for (const std::vector<int64_t>& lengths : {std::vector<int64_t>{3, 0, 1}, {9, 4, 0, 7, 7, 5}})
          Whole(cell, layers, ways, 1 + (cell + layers) % 3, 5 + 12 * (layers % 2), 6, 4, layers != 2, lengths).check();
}

void refused_classifiers() {
  Whole whole(ELMAN_GRU, 2, 2, 1, 3, 4, 5, true, {2, 3});
  double loss = 0;
  const auto wrong = [&](const char* what, void (*spoil)(elman_classifier&)) {
    elman_classifier on = whole.call(false);
    spoil(on);
    expect(elman_classify(&on, &loss) != ELMAN_OK, what);
  };
  static const int64_t beyond[] = {0, 1, 2, 3, 9}, late[] = {0, 6, 5}, answers[] = {0, 5};
  static const float* const none[8] = {};
  wrong("no recurrence to learn", [](elman_classifier& one) { one.cell = ELMAN_MINGRU; });
  wrong("no layer", [](elman_classifier& one) { one.layers = 0; });
  wrong("three directions of a classifier", [](elman_classifier& one) { one.directions = 3; });
  wrong("no sequence", [](elman_classifier& one) { one.batch = 0; });
  wrong("no word", [](elman_classifier& one) { one.steps = 0; });
  wrong("a word beyond the table", [](elman_classifier& one) { one.words = beyond; });
  wrong("offsets beyond the words", [](elman_classifier& one) { one.offsets = late; });
  wrong("an answer beyond the outputs", [](elman_classifier& one) { one.targets = answers; });
  wrong("more smoothing than there is", [](elman_classifier& one) { one.smoothing = 2; });
  wrong("weights that are not there", [](elman_classifier& one) { one.weights = none; });
  wrong("no room for gradients", [](elman_classifier& one) { one.grads = nullptr; });
  wrong("rows that nobody counts", [](elman_classifier& one) { one.read = const_cast<int64_t*>(one.words); });
  const elman_classifier on = whole.call(false);
  expect(elman_classify(nullptr, &loss) != ELMAN_OK && elman_classify(&on, nullptr) != ELMAN_OK, "no classifier at all");
}

}  // namespace
