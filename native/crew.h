// How the threads of a call share its work: each begins with its own, and whoever has nothing left takes from others.
//
// One core is slower than another, because somebody else is on it or because it is of another kind, and sequences
// differ in length. No number depends on who finds it.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "walk.h"

namespace ELMAN_VARIANT {

// How often a thread looks before it leaves its core to others. Where each thread has a core of its own that is seldom
// right, for whoever else is on it keeps it for long.
inline int patience(int threads) {
  static const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return threads > cores ? 1 << 11 : 1 << 18;
}

// Where some threads wait for each other.
struct Team {
  std::atomic<int> arrived{0}, phase{0};

  void meet(int size) {
    if (size == 1) return;
    const int now = phase.load(std::memory_order_relaxed);
    if (arrived.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
      arrived.store(0, std::memory_order_relaxed);
      phase.store(now + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; phase.load(std::memory_order_acquire) == now; ++spins)
      if (spins > patience(size)) std::this_thread::yield();
  }
};

// Jobs that nobody has taken: many at a time, and fewer the fewer are left.
struct alignas(64) Jobs {
  std::atomic<int64_t> taken{0};

  bool take(int64_t all, int threads, int64_t* from, int64_t* to) {
    *from = taken.load(std::memory_order_relaxed);
    do {
      if (*from >= all) return false;
      const int64_t some = threads == 1 ? all : std::max<int64_t>((all - *from) * 3 / (4 * threads), 1);
      *to = std::min(*from + some, all);
    } while (!taken.compare_exchange_weak(*from, *to, std::memory_order_relaxed));
    return true;
  }
};

// Sequences of a direction that one thread walks: forwards from a step on, backwards from the one before it.
struct Flock {
  int direction;
  Rows rows;
  int64_t step;
};

// The threads of a call while each walks on its own.
class Crew {
 public:
  explicit Crew(int64_t least) : least_(least) {}

  // Called after a step: hands over every second sequence, where somebody waits for one and enough is left to do.
  void share(Flock& flock, int64_t step, int64_t left) {
    int idle = idle_.load(std::memory_order_relaxed);
    if (idle == 0) return;
    const int64_t running = flock.rows.longer_than(step);
    if (running < least_ || running * left < kWorth) return;
    while (idle > 0)
      if (idle_.compare_exchange_weak(idle, idle - 1, std::memory_order_acq_rel)) {
        Flock half{flock.direction, flock.rows.split(), step};
        const std::lock_guard<std::mutex> lock(mutex_);
        offered_.push_back(std::move(half));
        offers_.store(static_cast<int>(offered_.size()), std::memory_order_release);
        return;
      }
  }

  // Waits for sequences of another thread; nothing when nobody has any left.
  std::optional<Flock> take(int threads) {
    idle_.fetch_add(1, std::memory_order_acq_rel);
    for (int spins = 0; idle_.load(std::memory_order_acquire) < threads; ++spins) {
      if (offers_.load(std::memory_order_acquire) > 0) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!offered_.empty()) {
          Flock flock = std::move(offered_.back());
          offered_.pop_back();
          offers_.store(static_cast<int>(offered_.size()), std::memory_order_release);
          return flock;
        }
      }
      if (spins > patience(threads)) std::this_thread::yield();
    }
    return std::nullopt;
  }

 private:
  static constexpr int64_t kWorth = 48;  // steps of sequences: to read the panels anew costs a handful

  const int64_t least_;  // sequences that are quicker in two halves
  std::atomic<int> idle_{0}, offers_{0};  // threads that wait, and to which nothing is on its way
  std::mutex mutex_;
  std::vector<Flock> offered_;
};

}  // namespace ELMAN_VARIANT
