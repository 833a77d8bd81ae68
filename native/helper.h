// A second core for what takes some microseconds: one thread that waits awake for a while, and takes pieces of the
// work of whoever asks for it. Nobody waits for it to begin: what it does not take, the asking thread does itself.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

class Helper {
 public:
  using Piece = void (*)(const void* work, int64_t number);

  // Does piece 0 … pieces - 1, each once and in any order.
  void share(int64_t pieces, Piece piece, const void* work) {
    if (taken_.exchange(true, std::memory_order_acquire)) {  // it helps another thread
      for (int64_t n = 0; n < pieces; ++n) piece(work, n);
      return;
    }
    const bool asleep = asleep_.load(std::memory_order_relaxed);
    if (asleep) wake();
    Job job{piece, work, pieces, {0}};
    job_.store(&job);
    for (int64_t n = 0; job.begun.fetch_add(1, std::memory_order_relaxed) < pieces; ++n) piece(work, n);
    // From here on it finds no job; if it has found this one, it is inside.
    job_.store(nullptr);
    for (int spins = 0; inside_.load(); ++spins) rest(spins);
    if (asleep) last_ = Clock::now();
    taken_.store(false, std::memory_order_release);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds kAwake{200};  // longer than what lies between two steps of a session

  struct Job {
    Piece piece;
    const void* work;
    int64_t pieces;
    std::atomic<int64_t> begun;
  };

  // It is not worth waking for work that comes now and then.
  void wake() {
    if (Clock::now() - last_ > kAwake) return;
    if (!started_) std::thread(&Helper::serve, this).detach();
    started_ = true;
    const std::lock_guard<std::mutex> lock(mutex_);
    asleep_.store(false, std::memory_order_relaxed);
    called_.notify_one();
  }

  void serve() {
    for (;;) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        called_.wait(lock, [this] { return !asleep_.load(std::memory_order_relaxed); });
      }
      Clock::time_point since = Clock::now();
      for (unsigned spins = 0;; ++spins) {
        if (job_.load(std::memory_order_relaxed)) {
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
    inside_.store(true);
    if (Job* const job = job_.load())  // from the other end, so that each thread has its own part in its cache
      for (int64_t n = job->pieces; job->begun.fetch_add(1, std::memory_order_relaxed) < job->pieces;)
        job->piece(job->work, --n);
    inside_.store(false);
  }

  static void rest(int spins) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (spins > 2000) std::this_thread::yield();  // a busy machine may have put it aside
  }

  std::atomic<bool> taken_{false}, asleep_{true};
  bool started_ = false;
  Clock::time_point last_{};
  std::mutex mutex_;
  std::condition_variable called_;
  alignas(64) std::atomic<Job*> job_{nullptr};
  alignas(64) std::atomic<bool> inside_{false};
};
