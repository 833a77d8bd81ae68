/* The plain C face of elman's scan: pointers and sizes, no header of torch or Python.
 *
 * A batch is ragged: sequence b owns the rows offsets[b] … offsets[b + 1] - 1 of every matrix that has a
 * row a step. Matrices are row-major; sizes count elements. A pointer to a state may be null: zeros on
 * the way in, not wanted on the way out. All functions return 0, or one of the codes below; none throws.
 */
#ifndef ELMAN_H
#define ELMAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ELMAN_ABI 1
#define ELMAN_API __attribute__((visibility("default")))

enum elman_cell { ELMAN_RNN_TANH = 0, ELMAN_RNN_RELU = 1, ELMAN_LSTM = 2, ELMAN_GRU = 3 };
enum elman_type { ELMAN_FLOAT32 = 0, ELMAN_FLOAT64 = 1 };
enum elman_status { ELMAN_OK = 0, ELMAN_BAD_ARGUMENT = 1, ELMAN_BAD_OFFSETS = 2, ELMAN_NO_MEMORY = 3 };

/* One direction of one layer. G is the number of blocks: 1 RNN, 4 LSTM (i f g o), 3 GRU (r z n). */
typedef struct {
  int32_t reverse;
  const void* weight;   /* G*hidden × hidden, torch's weight_hh */
  const void* bias;     /* GRU: b_hn, hidden; else null */
  void* gates;          /* rows × G*hidden: projections in, gates out */
  void* outputs;        /* rows × hidden, its rows output_stride apart */
  void* cells;          /* LSTM: c, rows × hidden (batch × hidden where nothing is kept) */
  void* candidates;     /* GRU: W_hn·h + b_hn, rows × hidden; null where nothing is kept */
  const void* initial[2];
  void* final[2];       /* h and, for the LSTM, c: batch × hidden */
  /* backward only */
  const void* grad_outputs; /* rows × hidden, grad_stride apart; null for zeros */
  const void* grad_final[2];
  void* grad_gates;     /* rows × G*hidden; the GRU has a fourth block, the gradient of W_hn·h + b_hn */
  void* grad_initial[2];
  void* grad_bias;      /* the column sums of grad_gates */
} elman_direction;

typedef struct {
  int32_t cell, type, directions, threads, keep;
  int64_t batch, rows, hidden, output_stride, grad_stride;
  const int64_t* offsets;
  elman_direction direction[2];
} elman_scan;

ELMAN_API int32_t elman_abi(void);
ELMAN_API const char* elman_instructions(void); /* the instruction set in use: "avx512", "avx2", "baseline" */
ELMAN_API int32_t elman_use(const char* instructions); /* choose another that this machine has, for comparisons */

ELMAN_API int32_t elman_forward(const elman_scan* scan);
ELMAN_API int32_t elman_backward(const elman_scan* scan);

#ifdef __cplusplus
}
#endif
#endif
