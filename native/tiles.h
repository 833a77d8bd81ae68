// Large matrix products of float32 on the matrix unit (AMX), which multiplies bfloat16 and adds in float32.
//
// A float32 has 24 significant bits and is exactly the sum of three numbers of 8, x = x0 + x1 + x2, each at most 2^-7
// of the one before. Of the nine products of two such sums six are taken; what is left out, x1·y2 + x2·y1 + x2·y2, is
// at most 2^-21 of x·y and 2^-24 of it on the mean, a rounding of float32. Only what is no ordinary number fares
// otherwise: infinity counts as NaN, and what is below 1e-38 as zero.
//
// A tile is 1 KB: 16 rows of 16 words, a word being two numbers that follow each other along the sum. The left factor
// has a row of the result in a row and 32 numbers of the sum side by side; the right one a column of the result in a
// column and 16 pairs of the sum below each other. A tile's three parts lie one after the other.
#pragma once

#include "product.h"

#if defined(__AMX_BF16__) && defined(__AMX_TILE__)
#ifdef ELMAN_EMULATED_UNIT
#include "emulated_tiles.h"
#endif

namespace ELMAN_VARIANT {

class Tiles {
 public:
  static constexpr bool kWalks = true;            // the recurrence goes there too: tiled.h
  static constexpr int64_t kRows = 32;            // rows of the result that go together, and columns
  static constexpr int64_t kSide = 16;            // rows and words of a tile
  static constexpr int64_t kRun = 2 * kSide;      // numbers of the sum in a tile
  static constexpr int64_t kTile = kSide * kRun;  // and all its numbers
  static constexpr int kParts = 3;
  static constexpr int64_t kThree = kParts * kTile;
  using Half = uint16_t;  // a bfloat16

  // Two tiles of rows or of columns, with all their parts, all along a sum.
  static int64_t pair_size(int64_t depth) { return pieces(depth, kRun) * kThree; }
  static Half* halves(float* memory) { return reinterpret_cast<Half*>(memory); }
  static const Half* halves(const float* memory) { return reinterpret_cast<const Half*>(memory); }

  ~Tiles() {
    if (first_) _tile_release();
  }

  // --- some rows of the result at a time, all of a sum ---

  static int64_t groups(int64_t columns) { return pieces(columns, kRows); }
  static int64_t right_size(int64_t depth, int64_t columns) { return groups(columns) * pair_size(depth); }
  static int64_t left_size(int64_t depth) { return pair_size(depth); }
  static void lay_rows(const float* matrix, float* to, int64_t group, int64_t columns, int64_t depth) {
    Half* at = halves(to + group * pair_size(depth));
    for (int64_t k = 0; k < depth; k += kRun)
      for (int64_t j = group * kRows; j < (group + 1) * kRows; j += kSide, at += kThree)
        lay_tile<true>(at, [&](int64_t i) {
          return j + i < columns ? words_of(matrix + (j + i) * depth + k, depth - k) : Words{};
        });
  }
  static void lay_columns(const float* matrix, float* to, int64_t group, int64_t columns, int64_t depth) {
    Half* at = halves(to + group * pair_size(depth));
    for (int64_t k = 0; k < depth; k += kRun)
      for (int64_t j = group * kRows; j < (group + 1) * kRows; j += kSide, at += kThree)
        lay_tile<false>(at, [&](int64_t i) { return pairs_of(matrix + j, columns, k + 2 * i, depth, columns - j); });
  }

  void rows_product(const float* a, int64_t a_stride, const float* right, const float*, int64_t depth, int64_t columns,
                    const float* bias, bool more, float* c, int64_t from, int64_t to, float* memory) {
    for (int64_t row = from; row < to; row += kRows) {
      const int64_t rows = std::min(kRows, to - row), runs = pieces(depth, kRun);
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t run = 0; run < runs; ++run)
          lay_row(halves(memory) + (m / kSide * runs + run) * kThree + m % kSide * kRun,
                  words_of(a + (row + m) * a_stride + run * kRun, depth - run * kRun));
      product(rows, memory, right, depth, columns, bias, more, c + row * columns);
    }
  }

  // --- some steps of a sum at a time, kDeep at most, all of the result ---

  static constexpr int64_t kTogether = kRows;
  static int64_t steps_size(int64_t columns) { return right_size(kDeep, columns); }
  static constexpr int64_t kLeftSize = kDeep * kRows / 2 * 3;

  static void lay_left(const float* a, int64_t a_stride, int64_t deep, int64_t columns, float* left) {
    Half* at = halves(left);
    for (int64_t m = 0; m < columns; m += kSide)
      for (int64_t k = 0; k < deep; k += kRun, at += kThree)
        lay_tile<true>(at, [&](int64_t i) { return pairs_of(a + m, a_stride, k + 2 * i, deep, columns - m); });
  }

  template <class Row>
  static void lay_steps(int64_t deep, const Row& row, int64_t columns, float* to) {
    const int64_t runs = pieces(deep, kRun);
    for (int64_t k = 0; k < runs * kRun; k += 2) {
      const float* const even = k < deep ? row(k) : nullptr;
      const float* const odd = k + 1 < deep ? row(k + 1) : nullptr;
      for (int64_t j = 0; j < groups(columns) * kRows; j += kSide)
        lay_row(halves(to) + ((j / kRows * runs + k / kRun) * 2 + j / kSide % 2) * kThree + k % kRun / 2 * kRun,
                words_of(part(even, j, columns - j), part(odd, j, columns - j)));
    }
  }

  void sums_product(int64_t deep, const float* left, int64_t rows, const float* right, int64_t columns, bool more,
                    float* c) {
    product(rows, left, right, deep, columns, nullptr, more, c);
  }

  // --- a product of two tiles of rows with two of columns, piece by piece ---

  // How many rows there are, kRows at most: so many are multiplied, and no more.
  void configure(int64_t rows) {
    const int first = static_cast<int>(std::min(rows, kSide));
    const int second = static_cast<int>(std::max(rows - kSide, int64_t{1}));
    if (first == first_ && second == second_) return;
    first_ = first, second_ = second;
    struct alignas(64) {
      uint8_t palette = 1, start = 0, none[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } shape;
    const int of[8] = {first, first, second, second, first, second, kSide, kSide};
    for (int n = 0; n < 8; ++n) shape.bytes[n] = 64, shape.rows[n] = static_cast<uint8_t>(of[n]);
    settle();
    _tile_loadconfig(&shape);
  }
  static void begin() {
    settle();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  // The two tiles of rows at `a` and `below`, the columns at `b`, all along some runs. What is called after every run is
  // done while the unit multiplies.
  template <class Between>
  static void add(const Half* a, const Half* below, const Half* b, int64_t runs, const Between& between) {
    alignas(64) float nobody[kSide * kSide];
    const auto left = [&](int64_t p) {
      _tile_loadd(4, a + p * kTile, 64);
      _tile_loadd(5, below + p * kTile, 64);
    };
    const auto right = [&](int64_t p) {
      _tile_loadd(6, b + p * kTile, 64);
      _tile_loadd(7, b + kThree + p * kTile, 64);
    };
    const auto times = [] {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    };
    for (int64_t run = 0; run < runs; ++run, a += kThree, below += kThree, b += 2 * kThree) {
      // A store of a tile takes eight hundred cycles more if there was none for two thousand.
      if (run % 2) _tile_stored(7, nobody, 64);
      left(0), right(2), times();
      right(1), times();
      left(1), times();
      right(0), times();
      left(2), times();
      left(0), times();
      between();
    }
  }
  static void add(const Half* a, const Half* below, const Half* b, int64_t runs) { add(a, below, b, runs, [] {}); }
  // out[column tile][row][16], what has been added up.
  static void end(float* out) {
    _tile_stored(0, out, 64);
    _tile_stored(2, out + kSide * kSide, 64);
    _tile_stored(1, out + kRows * kSide, 64);
    _tile_stored(3, out + (kRows + kSide) * kSide, 64);
  }
  // Half of a left tile's row: the three parts of 16 numbers.
  static void lay_half(Half* to, Vec<float> x) {
    const Words of = parts_of(x);
    for (int p = 0; p < kParts; ++p)
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + p * kTile),
                         _mm512_cvtepi32_epi16(_mm512_srli_epi32(of.part[p], 16)));
  }

 private:
  // 16 words of each part.
  struct Words {
    __m512i part[kParts] = {};
  };

  // Each part of 16 numbers is in the upper half of its word, and the lower one is zero.
  static Words parts_of(Vec<float> x) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    Words of;
    __m512 rest = (__m512)x;
    for (int p = 0; p < kParts; ++p) {
      of.part[p] = _mm512_and_si512(_mm512_castps_si512(rest), upper);
      rest = _mm512_sub_ps(rest, _mm512_castsi512_ps(of.part[p]));
    }
    return of;
  }
  static Vec<float> part(const float* row, int64_t at, int64_t count) {
    return row && count > 0 ? load(row + at, static_cast<int>(std::min(count, kSide))) : Vec<float>{};
  }
  // The words of 32 numbers of a row, of which `count` are there.
  static Words words_of(const float* row, int64_t count) {
    alignas(64) static constexpr uint16_t kUpper[kRun] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                          33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    const Words first = parts_of(part(row, 0, count)), second = parts_of(part(row, kSide, count - kSide));
    Words of;
    for (int p = 0; p < kParts; ++p)
      of.part[p] = _mm512_permutex2var_epi16(first.part[p], _mm512_load_si512(kUpper), second.part[p]);
    return of;
  }
  // The words of a number each of two rows.
  static Words words_of(Vec<float> even, Vec<float> odd) {
    const Words first = parts_of(even), second = parts_of(odd);
    Words of;
    for (int p = 0; p < kParts; ++p)
      of.part[p] = _mm512_or_si512(_mm512_srli_epi32(first.part[p], 16), second.part[p]);
    return of;
  }
  // The words of rows k and k + 1 of a matrix `depth` deep, of which `count` columns are there.
  static Words pairs_of(const float* matrix, int64_t stride, int64_t k, int64_t depth, int64_t count) {
    return words_of(part(k < depth ? matrix : nullptr, k * stride, count),
                    part(k + 1 < depth ? matrix : nullptr, (k + 1) * stride, count));
  }

  static void lay_row(Half* to, const Words& words) {
    for (int p = 0; p < kParts; ++p) _mm512_store_si512(to + p * kTile, words.part[p]);
  }
  // A tile of what `words(i)` gives as its rows, or turned, as its columns.
  template <bool kTurned, class Of>
  static void lay_tile(Half* to, const Of& words) {
    if constexpr (!kTurned) {
      for (int64_t i = 0; i < kSide; ++i) lay_row(to + i * kRun, words(i));
    } else {
      Vec<float> square[kParts][kSide];
      for (int64_t i = 0; i < kSide; ++i) {
        const Words of = words(i);
        for (int p = 0; p < kParts; ++p) square[p][i] = (Vec<float>)_mm512_castsi512_ps(of.part[p]);
      }
      for (int p = 0; p < kParts; ++p) {
        transpose<float>(square[p]);
        for (int64_t i = 0; i < kSide; ++i)
          _mm512_store_si512(to + p * kTile + i * kRun, _mm512_castps_si512((__m512)square[p][i]));
      }
    }
  }

  // The header of GCC does not say that the load of a tile reads memory: what was written must be there before.
  static void settle() { __asm__ volatile("" ::: "memory"); }

  // C[m][j] = (C if `more`) + bias[j] + Σ_k left[m][k]·right[k][j] for kRows rows at most. What the unit has found
  // for some columns goes to C while it multiplies the next.
  void product(int64_t rows, const float* left, const float* right, int64_t depth, int64_t columns, const float* bias,
               bool more, float* c) {
    alignas(64) float found[2][kRows * kRows];
    const int64_t runs = pieces(depth, kRun), each = pieces(rows, runs);
    const auto finish = [&](int64_t j, int64_t from, int64_t to) {
      for (int64_t at = j; at < std::min(j + kRows, columns); at += kSide) {
        const float* const of = found[j / kRows % 2] + (at - j) * kRows;
        const int n = static_cast<int>(std::min(kSide, columns - at));
        const Vec<float> start = bias ? load(bias + at, n) : Vec<float>{};
        for (int64_t m = from; m < to; ++m) {
          float* const place = c + m * columns + at;
          Vec<float> sum = load(of + m * kSide, kSide) + start;
          if (more) sum += load(place, n);
          store(place, sum, n);
        }
      }
    };
    configure(rows);
    int64_t j = 0;
    for (; j < columns; j += kRows) {
      int64_t m = 0;
      begin();
      add(halves(left), halves(left) + runs * kThree, halves(right + j / kRows * pair_size(depth)), runs, [&] {
        const int64_t from = m;
        for (; m < std::min(from + each, rows); ++m) {
          __builtin_prefetch(c + m * columns + j, 1);
          __builtin_prefetch(c + m * columns + std::min(j + kSide, columns - 1), 1);
        }
        if (j) finish(j - kRows, from, m);
      });
      end(found[j / kRows % 2]);
    }
    finish(j - kRows, 0, rows);
  }

  int first_ = 0, second_ = 0;
};

}  // namespace ELMAN_VARIANT
#endif
