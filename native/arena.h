// What a call keeps its own numbers in.
#pragma once

#include <sys/mman.h>

#include <cstdlib>

namespace ELMAN_VARIANT {

// Memory that grows and is used again by the next call on the same thread, unless it is much.
class Arena {
 public:
  ~Arena() { drop(); }
  void* of(size_t bytes) {
    if (bytes > size_) {
      drop();
      // Much memory in large pages: panels that lie together do not push each other out of a cache.
      const size_t page = bytes < kPage / 2 ? 64 : kPage, whole = (bytes + page - 1) / page * page;
      memory_ = std::aligned_alloc(page, whole);
      size_ = memory_ ? bytes : 0;
#ifdef MADV_HUGEPAGE
      if (memory_ && page == kPage) madvise(memory_, whole, MADV_HUGEPAGE);
#endif
    }
    return memory_;
  }
  void done() {
    if (size_ > kMuch) drop();
  }

 private:
  static constexpr size_t kMuch = 1 << 28, kPage = 1 << 21;
  void drop() { std::free(memory_), memory_ = nullptr, size_ = 0; }
  void* memory_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ELMAN_VARIANT
