// The linear recurrence h[t] = a[t]·h[t-1] + b[t], unit by unit, and its gradient.
//
// No unit waits for another, so threads share sequences and columns in any way without meeting: what each
// number is does not depend on how many there are.
#pragma once

#include "walk.h"

namespace ELMAN_VARIANT {

template <class T>
struct Linear {
  const elman_linear& on;

  static constexpr int64_t kColumns = 64;  // a piece of a row that a thread takes for itself

  const T* at(const void* matrix, int64_t row) const { return static_cast<const T*>(matrix) + row * on.width; }
  T* at(void* matrix, int64_t row) const { return static_cast<T*>(matrix) + row * on.width; }

  void forward(int64_t sequence, int64_t from, int64_t to) const {
    const int64_t first = on.offsets[sequence], length = on.offsets[sequence + 1] - first;
    const T* before = on.initial ? at(on.initial, sequence) : nullptr;
    for (int64_t s = 0; s < length; ++s) {
      const int64_t row = first + (on.reverse ? length - 1 - s : s);
      const T *a = at(on.a, row), *b = at(on.b, row);
      T* h = at(on.outputs, row);
      for (int64_t j = from; j < to; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<int64_t>(kLanes<T>, to - j));
        Vec<T> next = load(b + j, n);
        if (before) next += load(a + j, n) * load(before + j, n);
        store(h + j, next, n);
      }
      before = h;
    }
    if (!on.final) return;
    T* last = at(on.final, sequence);
    for (int64_t j = from; j < to; ++j) last[j] = before ? before[j] : T(0);
  }

  // The gradient of b is that of h; it passes to the step before times a.
  void backward(int64_t sequence, int64_t from, int64_t to) const {
    const int64_t first = on.offsets[sequence], length = on.offsets[sequence + 1] - first;
    T* carry = at(on.grad_initial, sequence);
    for (int64_t s = length - 1; s >= 0; --s) {
      const int64_t row = first + (on.reverse ? length - 1 - s : s), back = row + (on.reverse ? 1 : -1);
      const T* before = s > 0 ? at(static_cast<const void*>(on.outputs), back)
                              : on.initial ? at(on.initial, sequence) : nullptr;
      const T* grad = on.grad_outputs ? at(on.grad_outputs, row) : nullptr;
      const T* a = at(on.a, row);
      T *da = at(on.grad_a, row), *db = at(on.grad_b, row);
      for (int64_t j = from; j < to; j += kLanes<T>) {
        const int n = static_cast<int>(std::min<int64_t>(kLanes<T>, to - j));
        Vec<T> d = load(carry + j, n);
        if (grad) d += load(grad + j, n);
        store(db + j, d, n);
        store(da + j, before ? d * load(before + j, n) : Vec<T>{}, n);
        store(carry + j, d * load(a + j, n), n);
      }
    }
  }

  void run(const int64_t* order, bool back) const {
    const int asked = std::max(1, on.threads);
    // Whole rows while there are sequences enough for all; else pieces of them.
    const int64_t whole = (on.width + kColumns - 1) / kColumns * kColumns;
    const int64_t wide = on.batch >= 4 * asked ? std::max<int64_t>(whole, 1) : kColumns;
    const int64_t pieces = (on.width + wide - 1) / wide, jobs = on.batch * pieces;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads(asked) if (asked > 1)
#endif
    for (int64_t job = 0; job < jobs; ++job) {
      const int64_t sequence = order[job / pieces], from = job % pieces * wide;
      const int64_t to = std::min(from + wide, on.width);
      if (back)
        backward(sequence, from, to);
      else
        forward(sequence, from, to);
    }
  }
};

}  // namespace ELMAN_VARIANT
