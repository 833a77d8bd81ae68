// A second core for what takes some microseconds: one thread that waits awake for a while, and takes pieces of the
// work of whoever asks for it. Nobody waits for it to begin: what it does not take, the asking thread does itself.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

class Helper {
 public:
  using Piece = void (*)(const void* work, int64_t number);

  // Whether work that reads so many bytes is done sooner by two. Another core may be near or far: that is measured.
  bool worth(int64_t bytes) {
    if (bytes < kLeast) return false;
    if (trusted_.fetch_sub(1, std::memory_order_relaxed) <= 0) {
      if (asleep_.load(std::memory_order_relaxed)) return true;  // who asks again wakes it
      measure();
    }
    return bytes > kBytes * far_.load(std::memory_order_relaxed);
  }

  // Does piece 0 … pieces - 1, each once and in any order.
  void share(int64_t pieces, Piece piece, const void* work) {
    if (taken_.exchange(true, std::memory_order_acquire)) {  // it helps another thread
      for (int64_t n = 0; n < pieces; ++n) piece(work, n);
      return;
    }
    const bool asleep = asleep_.load(std::memory_order_relaxed);
    if (asleep) wake();
    const int64_t helped = helped_.load(std::memory_order_relaxed);
    job_.post(pieces, pieces - 1, piece, work);  // the first is taken
    int64_t n = 0;
    do piece(work, n++);
    while (job_.take());
    // The others it has taken, and it knows of this job until they are done.
    for (int spins = 0; helped_.load(std::memory_order_acquire) - helped < pieces - n; ++spins) rest(spins);
    if (asleep) last_ = Clock::now();
    taken_.store(false, std::memory_order_release);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds kAwake{200};  // longer than what lies between two steps of a session
  static constexpr int64_t kLeast = 1 << 16;  // bytes for which nobody is woken
  static constexpr int64_t kBytes = 400;      // to read for each nanosecond of the way there and back
  static constexpr int kTrust = 4096;         // questions until the other core may have moved

  // One line of memory, so that it comes from core to core at once.
  struct alignas(64) Job {
    Piece piece;
    const void* work;
    int64_t pieces, number = 0;
    std::atomic<int64_t> left{0};  // pieces that nobody has taken; less than 0 where one was asked for in vain

    void post(int64_t all, int64_t open, Piece what, const void* with) {
      piece = what, work = with, pieces = all, ++number;
      left.store(open, std::memory_order_release);
    }
    bool take() { return left.fetch_sub(1, std::memory_order_acq_rel) > 0; }
  };

  // How long the other core takes to see a job and to be seen to have done it, in nanoseconds.
  void measure() {
    if (taken_.exchange(true, std::memory_order_acquire)) return;
    int64_t far = INT64_MAX / kBytes;
    for (int turn = 0; turn < 8; ++turn) {
      const Clock::time_point since = Clock::now();
      const int64_t helped = helped_.load(std::memory_order_relaxed);
      job_.post(1, 1, [](const void*, int64_t) {}, nullptr);
      for (int spins = 0; helped_.load(std::memory_order_acquire) == helped; ++spins) {
        if (spins == 2000 && job_.take()) break;  // it is not there
        rest(spins);
      }
      if (helped_.load(std::memory_order_relaxed) == helped) break;
      far = std::min<int64_t>(far, std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - since).count());
    }
    far_.store(far, std::memory_order_relaxed);
    trusted_.store(kTrust, std::memory_order_relaxed);
    taken_.store(false, std::memory_order_release);
  }

  // It is not worth waking for work that comes now and then.
  void wake() {
    if (wanted_.load(std::memory_order_relaxed) || Clock::now() - last_ > kAwake) return;
    if (!started_) std::thread(&Helper::serve, this).detach();
    started_ = true;
    const std::lock_guard<std::mutex> lock(mutex_);
    wanted_.store(true, std::memory_order_relaxed);
    called_.notify_one();
  }

  void serve() {
    for (;;) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        called_.wait(lock, [this] { return wanted_.load(std::memory_order_relaxed); });
        wanted_.store(false, std::memory_order_relaxed);
      }
      asleep_.store(false, std::memory_order_relaxed);  // only now: it takes a while to get here
      Clock::time_point since = Clock::now();
      for (unsigned spins = 0;; ++spins) {
        if (job_.left.load(std::memory_order_relaxed) > 0) {
          help();
          since = Clock::now();
        } else if (spins % 64 == 0 && Clock::now() - since > kAwake) {
          break;
        }
        rest(0);
      }
      asleep_.store(true, std::memory_order_relaxed);
    }
  }

  void help() {
    int64_t number = 0, n = 0;
    while (job_.take()) {  // of the last job, or of one that came since: what is taken is not over before it is done
      if (job_.number != number) number = job_.number, n = job_.pieces;
      job_.piece(job_.work, --n);  // from the other end, so that each thread has its own part in its cache
      helped_.store(helped_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
  }

  static void rest(int spins) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (spins > 2000) std::this_thread::yield();  // a busy machine may have put it aside
  }

  std::atomic<bool> taken_{false}, asleep_{true}, wanted_{false};
  std::atomic<int64_t> far_{0};
  std::atomic<int> trusted_{0};
  bool started_ = false;
  Clock::time_point last_{};
  std::mutex mutex_;
  std::condition_variable called_;
  Job job_;
  alignas(64) std::atomic<int64_t> helped_{0};  // pieces, ever
};
