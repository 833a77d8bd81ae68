// A matrix unit in C++, for tests: what the tile instructions of AMX do, number by number, on machines that have none;
// and where they would fault, the end. Sanitizers see every byte that it reads or writes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace emulated {

struct Tile {
  int rows = 0, bytes = 0;  // of a row
  uint8_t at[16][64];
};
inline thread_local Tile tiles[8];
inline thread_local bool configured = false;

inline void require(bool truth, const char* what) {
  if (truth) return;
  std::fprintf(stderr, "the matrix unit faults: %s\n", what);
  std::abort();
}

inline void load_config(const void* from) {
  const uint8_t* const config = static_cast<const uint8_t*>(from);
  require(config[0] == 1, "it knows no such palette");
  for (int t = 0; t < 8; ++t) {
    uint16_t bytes;
    std::memcpy(&bytes, config + 16 + 2 * t, 2);
    tiles[t].rows = config[48 + t], tiles[t].bytes = bytes;
    require(tiles[t].rows >= 1 && tiles[t].rows <= 16 && bytes >= 4 && bytes <= 64 && bytes % 4 == 0, "a tile's shape");
    std::memset(tiles[t].at, 0, sizeof(tiles[t].at));
  }
  configured = true;
}
inline void release() { configured = false; }

inline Tile& tile(int t) {
  require(configured, "its tiles have no shape");
  return tiles[t];
}
inline void zero(int t) { std::memset(tile(t).at, 0, sizeof(Tile::at)); }
inline void load(int t, const void* from, int64_t stride) {
  zero(t);
  for (int r = 0; r < tiles[t].rows; ++r)
    std::memcpy(tiles[t].at[r], static_cast<const uint8_t*>(from) + r * stride, tiles[t].bytes);
}
inline void store(int t, void* to, int64_t stride) {
  for (int r = 0; r < tile(t).rows; ++r)
    std::memcpy(static_cast<uint8_t*>(to) + r * stride, tiles[t].at[r], tiles[t].bytes);
}

// A bfloat16 of a row; what is below the least ordinary number counts as zero.
inline float number(const uint8_t* row, int at) {
  uint32_t word = static_cast<uint32_t>(row[2 * at] | row[2 * at + 1] << 8) << 16;
  if (!(word & 0x7f800000u)) word &= 0x80000000u;
  float found;
  std::memcpy(&found, &word, 4);
  return found;
}

// sum[m][n] += Σ_k a[m][2k]·b[k][2n] + Σ_k a[m][2k + 1]·b[k][2n + 1]
inline void multiply(int sum, int a, int b) {
  Tile &to = tile(sum), &left = tile(a), &right = tile(b);
  require(sum != a && sum != b && a != b, "a product of a tile with itself");
  require(left.rows == to.rows && right.rows == left.bytes / 4 && right.bytes == to.bytes, "shapes that do not fit");
  for (int m = 0; m < to.rows; ++m) {
    float even[16] = {}, odd[16] = {}, before[16];
    for (int k = 0; k < right.rows; ++k) {
      const float one = number(left.at[m], 2 * k), two = number(left.at[m], 2 * k + 1);
      for (int n = 0; n < to.bytes / 4; ++n) {
        even[n] += one * number(right.at[k], 2 * n);
        odd[n] += two * number(right.at[k], 2 * n + 1);
      }
    }
    std::memcpy(before, to.at[m], to.bytes);
    for (int n = 0; n < to.bytes / 4; ++n) before[n] += even[n] + odd[n];
    std::memcpy(to.at[m], before, to.bytes);
  }
}

}  // namespace emulated

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(from) emulated::load_config(from)
#define _tile_release() emulated::release()
#define _tile_zero(t) emulated::zero(t)
#define _tile_loadd(t, from, stride) emulated::load(t, from, stride)
#define _tile_stored(t, to, stride) emulated::store(t, to, stride)
#define _tile_dpbf16ps(sum, a, b) emulated::multiply(sum, a, b)
