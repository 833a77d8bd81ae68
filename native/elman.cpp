// The C face: checks what it is given, puts the sequences in order, picks the instruction set.
#include "elman.h"

#include <pthread.h>
#ifdef ELMAN_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <numeric>
#include <vector>

#include "variant.h"

#define ELMAN_DECLARE(name) \
  namespace name {          \
  extern const Variant variant; \
  }
ELMAN_DECLARE(baseline)
#ifdef ELMAN_X86
ELMAN_DECLARE(avx2)
ELMAN_DECLARE(avx512)
#endif
#ifdef ELMAN_AMX
ELMAN_DECLARE(amx)
#endif

namespace {

struct Choice {
  const char* name;
  const Variant* variant;
};

#ifdef ELMAN_AMX
// Whether there is a matrix unit for bfloat16, and the system lets this process use it.
bool matrix_unit() {
#ifdef ELMAN_EMULATED_UNIT
  return true;
#endif
  static const bool found = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    constexpr unsigned kBfloat16 = 1u << 22, kTiles = 1u << 24;
    if ((d & (kBfloat16 | kTiles)) != (kBfloat16 | kTiles)) return false;
#ifdef SYS_arch_prctl
    constexpr int kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
    return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
    return false;
#endif
  }();
  return found;
}
#endif

bool has(const char* name) {
#ifdef ELMAN_X86
  __builtin_cpu_init();
#ifdef ELMAN_AMX
  if (!std::strcmp(name, "amx")) return has("avx512") && matrix_unit();
#endif
  if (!std::strcmp(name, "avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (!std::strcmp(name, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return !std::strcmp(name, "baseline");
}

const Choice kChoices[] = {
#ifdef ELMAN_AMX
    {"amx", &amx::variant},
#endif
#ifdef ELMAN_X86
    {"avx512", &avx512::variant},
    {"avx2", &avx2::variant},
#endif
    {"baseline", &baseline::variant},
};

const Choice* best() {
  for (const Choice& one : kChoices)
    if (has(one.name)) return &one;
  return nullptr;
}

std::atomic<const Choice*> chosen{nullptr};

const Choice& current() {
  const Choice* now = chosen.load();
  if (!now) chosen.store(now = best());
  return *now;
}

// A child of fork has none of its parent's threads, and the OpenMP runtime would wait for them.
std::atomic<bool> forked{false};
const int watching = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

bool sound(const int64_t* offsets, int64_t batch, int64_t rows) {
  if (offsets[0] != 0 || offsets[batch] != rows) return false;
  for (int64_t b = 0; b < batch; ++b)
    if (offsets[b + 1] < offsets[b]) return false;
  return true;
}

// Whether every row is one of the table.
bool within(const int64_t* rows, int64_t count, int64_t table) {
  for (int64_t i = 0; i < count; ++i)
    if (rows[i] < 0 || rows[i] >= table) return false;
  return true;
}

int32_t check(const elman_scan* scan, bool backward) {
  if (!scan || !scan->offsets || scan->batch < 0 || scan->rows < 0 || scan->input < 1 || scan->hidden < 1 || scan->cell < 0 ||
      scan->cell > ELMAN_GRU || scan->type < 0 || scan->type > ELMAN_FLOAT64 || scan->directions < 1 ||
      scan->directions > 2 || scan->output_stride < scan->hidden)
    return ELMAN_BAD_ARGUMENT;
  if (!sound(scan->offsets, scan->batch, scan->rows)) return ELMAN_BAD_OFFSETS;
  if (scan->reads && !within(scan->reads, scan->rows, scan->inputs)) return ELMAN_BAD_ARGUMENT;
  for (int d = 0; d < scan->directions; ++d) {
    const elman_direction& way = scan->direction[d];
    const bool lstm = scan->cell == ELMAN_LSTM, gru = scan->cell == ELMAN_GRU;
    if (!way.weight_ih || !way.weight_hh || !way.bias_ih != !way.bias_hh) return ELMAN_BAD_ARGUMENT;
    if (backward && (!way.grad_weight_ih || !way.grad_weight_hh ||
                     (way.bias_ih && (!way.grad_bias_ih || !way.grad_bias_hh))))
      return ELMAN_BAD_ARGUMENT;
    if (scan->rows == 0) continue;  // a matrix without rows has no address
    if (!scan->x || (!way.gates && (scan->keep || backward)) || !way.outputs || (lstm && !way.cells) ||
        (gru && (scan->keep || backward) && !way.candidates))
      return ELMAN_BAD_ARGUMENT;
    if (backward && (!way.grad_initial[0] ||
                     (lstm && !way.grad_initial[1]) || !scan->keep || (gru && way.grad_gates == way.gates) ||
                     (way.grad_outputs && scan->grad_stride < scan->hidden)))
      return ELMAN_BAD_ARGUMENT;
  }
  return ELMAN_OK;
}

int32_t check(const elman_linear* linear, bool backward) {
  if (!linear || !linear->offsets || linear->batch < 0 || linear->rows < 0 || linear->width < 1 || linear->type < 0 ||
      linear->type > ELMAN_FLOAT64)
    return ELMAN_BAD_ARGUMENT;
  if (!sound(linear->offsets, linear->batch, linear->rows)) return ELMAN_BAD_OFFSETS;
  if (backward && linear->batch && !linear->grad_initial) return ELMAN_BAD_ARGUMENT;
  if (linear->rows == 0) return ELMAN_OK;
  if (!linear->a || !linear->outputs || (!backward && !linear->b) ||
      (backward && (!linear->grad_a || !linear->grad_b)))
    return ELMAN_BAD_ARGUMENT;
  return ELMAN_OK;
}

void go(const elman_scan& scan, const int64_t* order, bool backward) {
  current().variant->run(scan, order, backward);
}
void go(const elman_linear& linear, const int64_t* order, bool backward) {
  current().variant->linear(linear, order, backward);
}

template <class Call>
int32_t run(const Call* given, bool backward) {
  if (const int32_t status = check(given, backward)) return status;
  try {
    Call call = *given;
    if (forked.load()) call.threads = 1;
    std::vector<int64_t> order(call.batch);
    std::iota(order.begin(), order.end(), 0);
    const int64_t* offsets = call.offsets;
    std::stable_sort(order.begin(), order.end(), [offsets](int64_t a, int64_t b) {
      return offsets[a + 1] - offsets[a] > offsets[b + 1] - offsets[b];
    });
    go(call, order.data(), backward);
  } catch (const std::bad_alloc&) {
    return ELMAN_NO_MEMORY;
  }
  return ELMAN_OK;
}

int32_t check(const elman_stepper* on) {
  if (!on || on->cell < 0 || on->cell > ELMAN_MINLSTM || on->weights < 0 || on->weights > ELMAN_INT8 ||
      on->layers < 1 || on->batch < 1 || on->hidden < 1 || !on->layer || !on->h || !on->scratch ||
      (on->cell == ELMAN_LSTM && !on->c))
    return ELMAN_BAD_ARGUMENT;
  for (int32_t n = 0; n < on->layers; ++n) {
    const elman_step_layer& one = on->layer[n];
    const bool recurrent = on->cell <= ELMAN_GRU, scaled = on->weights == ELMAN_INT8;
    if (one.input < 1 || (n && one.input != on->hidden) || !one.weight_ih || (recurrent && !one.weight_hh) ||
        (scaled && (!one.scale_ih || (recurrent && !one.scale_hh))))
      return ELMAN_BAD_ARGUMENT;
  }
  return ELMAN_OK;
}

int32_t check(const elman_adamw* on, bool move) {
  if (!on || on->tensors < 0 || (on->tensors && !on->tensor)) return ELMAN_BAD_ARGUMENT;
  for (int64_t t = 0; t < on->tensors; ++t) {
    const elman_weights& one = on->tensor[t];
    if (one.count < 0 || (one.count && (!one.grad || (move && (!one.weight || !one.m || !one.v || !one.step)))))
      return ELMAN_BAD_ARGUMENT;
  }
  return ELMAN_OK;
}

// Calls `job` with a copy that asks for no thread that is not there.
template <class Job>
int32_t weights(const elman_adamw* given, bool move, const Job& job) {
  if (const int32_t status = check(given, move)) return status;
  elman_adamw call = *given;
  if (forked.load()) call.threads = 1;
  try {
    job(call);
  } catch (const std::bad_alloc&) {
    return ELMAN_NO_MEMORY;
  }
  return ELMAN_OK;
}

// Gives each row the place of its like among the distinct ones: tells which of them are the first.
template <class Tell>
int64_t distinct_rows(int64_t count, int64_t table, const int64_t* rows, int64_t* distinct, const Tell& tell) {
  // By row of a table one more than its place, and 0 between two calls.
  static thread_local std::vector<int32_t> places;
  if (count < 0 || table < 1 || (count && !rows) || !within(rows, count, table)) return -1;
  try {
    if (static_cast<int64_t>(places.size()) < table) places.resize(table);
  } catch (const std::bad_alloc&) {
    return -1;
  }
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    int32_t& place = places[rows[i]];
    const bool first = !place;
    if (first) distinct[found] = rows[i], place = static_cast<int32_t>(++found);
    tell(i, place - 1, first);
  }
  for (int64_t i = 0; i < found; ++i) places[distinct[i]] = 0;
  return found;
}

}  // namespace

extern "C" {

int32_t elman_abi(void) { return ELMAN_ABI; }
const char* elman_instructions(void) { return current().name; }
int32_t elman_use(const char* instructions) {
  for (const Choice& one : kChoices)
    if (instructions && !std::strcmp(one.name, instructions) && has(one.name)) {
      chosen.store(&one);
      return ELMAN_OK;
    }
  return ELMAN_BAD_ARGUMENT;
}
int32_t elman_forward(const elman_scan* scan) { return run(scan, false); }
int32_t elman_backward(const elman_scan* scan) { return run(scan, true); }
int32_t elman_linear_forward(const elman_linear* linear) { return run(linear, false); }
int32_t elman_linear_backward(const elman_linear* linear) { return run(linear, true); }
int32_t elman_move_rows(const elman_rows* rows) {
  if (!rows || rows->count < 0 || rows->width < 1 || rows->table < 1 || rows->step < 0 || !rows->weight || !rows->m || !rows->v ||
      !rows->moved || !rows->reach || !rows->decay || (rows->grads && rows->step < 1) || (!rows->rows && rows->count > rows->table) ||
      (rows->rows && !within(rows->rows, rows->count, rows->table)))
    return ELMAN_BAD_ARGUMENT;
  elman_rows call = *rows;
  if (forked.load()) call.threads = 1;
  current().variant->rows(call);
  return ELMAN_OK;
}
int64_t elman_distinct(int64_t count, int64_t table, const int64_t* rows, int64_t* distinct, int64_t* which) {
  if (count && (!distinct || !which)) return -1;
  return distinct_rows(count, table, rows, distinct, [which](int64_t i, int64_t place, bool) { which[i] = place; });
}
int64_t elman_sum_rows(int64_t count, int64_t width, int64_t table, const int64_t* rows, const float* grads,
                       int64_t* distinct, float* sums) {
  if (width < 1 || (count && (!grads || !distinct || !sums))) return -1;
  return distinct_rows(count, table, rows, distinct, [=](int64_t i, int64_t place, bool first) {
    const float* __restrict grad = grads + i * width;
    float* __restrict sum = sums + place * width;
    if (first) std::memcpy(sum, grad, width * sizeof(float));
    for (int64_t j = 0; j < width && !first; ++j) sum[j] += grad[j];
  });
}
int32_t elman_add_rows(int32_t threads, int64_t count, int64_t width, int64_t table, const int64_t* rows, const float* grads,
                       float* sums) {
  if (count < 0 || width < 1 || table < 1 || !sums || (count && (!rows || !grads)) || !within(rows, count, table))
    return ELMAN_BAD_ARGUMENT;
  const int64_t parts = forked.load() || (table + count) * width < (1 << 15) ? 1 : std::max(threads, 1);
  // Each part has its own rows of the table, and passes over those of others.
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(static_cast<int>(parts)) if (parts > 1)
#endif
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t from = table * part / parts, to = table * (part + 1) / parts;
    std::memset(static_cast<void*>(sums + from * width), 0, (to - from) * width * sizeof(float));
    for (int64_t i = 0; i < count; ++i) {
      if (rows[i] < from || rows[i] >= to) continue;
      float* __restrict sum = sums + rows[i] * width;
      const float* __restrict grad = grads + i * width;
      for (int64_t j = 0; j < width; ++j) sum[j] += grad[j];
    }
  }
  return ELMAN_OK;
}
int64_t elman_starts(int64_t batch, const int64_t* offsets, int64_t count, const int64_t* chosen, int64_t* starts) {
  if (batch < 0 || count < 0 || !offsets || !starts || (count && !chosen) || !within(chosen, count, batch)) return -1;
  starts[0] = 0;
  for (int64_t i = 0; i < count; ++i) starts[i + 1] = starts[i] + offsets[chosen[i] + 1] - offsets[chosen[i]];
  return starts[count];
}
int32_t elman_pick(const int64_t* offsets, int64_t count, const int64_t* chosen, int64_t size, const void* values,
                   const int64_t* starts, void* picked) {
  if (count < 0 || size < 1 || !offsets || !starts || (count && !chosen)) return ELMAN_BAD_ARGUMENT;
  if (count && starts[count] && (!values || !picked)) return ELMAN_BAD_ARGUMENT;
  for (int64_t i = 0; i < count; ++i)
    if (const int64_t steps = starts[i + 1] - starts[i])
      std::memcpy(static_cast<char*>(picked) + starts[i] * size,
                  static_cast<const char*>(values) + offsets[chosen[i]] * size, steps * size);
  return ELMAN_OK;
}
int32_t elman_norm(const elman_adamw* given, double* norm) {
  if (!norm) return ELMAN_BAD_ARGUMENT;
  return weights(given, false, [norm](const elman_adamw& on) { *norm = current().variant->norm(on); });
}
int32_t elman_move_weights(const elman_adamw* given) {
  return weights(given, true, [](const elman_adamw& on) { current().variant->adamw(on); });
}
int32_t elman_mean_cross_entropy(const elman_cross_entropy* on, double* loss) {
  if (!on || !loss || on->rows < 1 || on->input < 1 || on->outputs < 1 || on->parts < 1 || on->input % on->parts ||
      !on->x || !on->weight || !on->targets ||
      !(on->smoothing >= 0 && on->smoothing <= 1) || (!on->grad_weight && (on->grad_x || on->grad_bias)) ||
      !within(on->targets, on->rows, on->outputs))
    return ELMAN_BAD_ARGUMENT;
  elman_cross_entropy call = *on;
  if (forked.load()) call.threads = 1;
  try {
    *loss = current().variant->cross_entropy(call);
  } catch (const std::bad_alloc&) {
    return ELMAN_NO_MEMORY;
  }
  return ELMAN_OK;
}
int32_t elman_pool(const elman_pooling* on) {
  if (!on || on->batch < 0 || on->rows < 0 || on->width < 1 || !on->offsets || !on->key || !on->bias || !on->query ||
      (on->batch && (!on->last || (!on->grad && !on->pooled))) || (on->rows && (!on->h || !on->keys || !on->shares)) ||
      (on->grad && ((on->rows && !on->grad_h) || !on->grad_key || !on->grad_bias || !on->grad_query)))
    return ELMAN_BAD_ARGUMENT;
  if (!sound(on->offsets, on->batch, on->rows)) return ELMAN_BAD_OFFSETS;
  elman_pooling call = *on;
  if (forked.load()) call.threads = 1;
  try {
    current().variant->pool(call);
  } catch (const std::bad_alloc&) {
    return ELMAN_NO_MEMORY;
  }
  return ELMAN_OK;
}
int32_t elman_step_check(const elman_stepper* stepper) { return check(stepper); }
int32_t elman_step(const elman_stepper* stepper, const void* x) {
  if (!stepper || !x) return ELMAN_BAD_ARGUMENT;
  // It is never destroyed: its thread may be waiting when the process ends.
  static Helper* const helper = new Helper;
  current().variant->step(*stepper, x, stepper->threads > 1 && !forked.load(std::memory_order_relaxed) ? helper : nullptr);
  return ELMAN_OK;
}

}  // extern "C"
