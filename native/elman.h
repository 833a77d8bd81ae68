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

#define ELMAN_ABI 17
#define ELMAN_API __attribute__((visibility("default")))

/* The last two have no recurrent weights: they step here, and scan by elman_linear_forward. */
enum elman_cell {
  ELMAN_RNN_TANH = 0, ELMAN_RNN_RELU = 1, ELMAN_LSTM = 2, ELMAN_GRU = 3, ELMAN_MINGRU = 4, ELMAN_MINLSTM = 5
};
/* The last two store weights for a step, and compute in float32. */
enum elman_type { ELMAN_FLOAT32 = 0, ELMAN_FLOAT64 = 1, ELMAN_BFLOAT16 = 2, ELMAN_INT8 = 3 };
enum elman_status { ELMAN_OK = 0, ELMAN_BAD_ARGUMENT = 1, ELMAN_BAD_OFFSETS = 2, ELMAN_NO_MEMORY = 3 };

/* One direction of one layer. G is the number of blocks: 1 RNN, 4 LSTM (i f g o), 3 GRU (r z n). */
typedef struct {
  int32_t reverse;
  const void* weight_ih; /* G*hidden × input */
  const void* weight_hh; /* G*hidden × hidden */
  const void* bias_ih;   /* G*hidden each; both null for none */
  const void* bias_hh;
  void* gates;          /* rows × G*hidden; null where nothing is kept */
  void* outputs;        /* rows × hidden, its rows output_stride apart */
  void* cells;          /* LSTM: c, rows × hidden (batch × hidden where nothing is kept) */
  void* candidates;     /* GRU: W_hn·h + b_hn, rows × hidden; null where nothing is kept */
  const void* initial[2];
  void* final[2];       /* h and, for the LSTM, c: batch × hidden */
  /* backward only */
  const void* grad_outputs; /* rows × hidden, grad_stride apart; null for zeros */
  const void* grad_final[2];
  void* grad_gates;     /* null: made and forgotten by the call. Else rows × G*hidden; the GRU has a fourth
                           block, the gradient of W_hn·h + b_hn. The others' may be `gates`, written over */
  void* grad_initial[2];
  void* grad_weight_ih;
  void* grad_weight_hh;
  void* grad_bias_ih;   /* null where there are no biases */
  void* grad_bias_hh;
} elman_direction;

typedef struct {
  int32_t cell, type, directions, threads, keep;
  int32_t need_initial; /* backward only: the gradient of the initial states; without, grad_initial is but memory */
  int64_t batch, rows, input, hidden, output_stride, grad_stride;
  const int64_t* offsets;
  const int64_t* reads; /* rows: which row of x a step reads; null where each has its own */
  int64_t inputs;       /* rows of x, where there are `reads` */
  const void* x;   /* rows × input, or inputs × input */
  void* grad_x;    /* backward only: the same; null for not wanted */
  elman_direction direction[2];
} elman_scan;

/* h[t] = a[t]·h[t-1] + b[t]: every matrix is rows × width, every state batch × width. */
typedef struct {
  int32_t type, threads, reverse;
  int64_t batch, rows, width;
  const int64_t* offsets;
  const void* a;
  const void* b;
  const void* initial;
  void* outputs;
  void* final;
  /* backward only */
  const void* grad_outputs; /* null for zeros */
  void* grad_a;
  void* grad_b;
  void* grad_initial; /* in: the gradient of the final state; out: that of the initial one */
} elman_linear;

/* One layer of a stack that goes step by step. A row of weights is scale[row]·weight[row], if there are scales.
 * In panels, a matrix of rows × depth is rows/64 blocks (the last filled up with zeros) of depth × 64; the last
 * block of the GRU's weight_hh, which is under a gate, is a matrix by itself. In bfloat16 a block is depth/2 × 64 × 2:
 * two numbers of a row side by side, filled up with a zero where the depth is odd. */
typedef struct {
  int64_t input;
  const void* weight_ih; /* G*hidden × input */
  const void* weight_hh; /* G*hidden × hidden; null for a cell without */
  const void* scale_ih;
  const void* scale_hh;
  const void* bias_ih; /* null for none */
  const void* bias_hh;
} elman_step_layer;

typedef struct {
  int32_t cell, weights, layers, panels; /* panels: whether the weights lie in panels */
  int32_t threads; /* 2 or more: large panels are shared with a second one, to the same numbers */
  int64_t batch, hidden;
  const elman_step_layer* layer;
  void* h;       /* layers × batch × hidden, replaced by every step */
  void* c;       /* the same, LSTM only */
  void* scratch; /* 4*hidden */
} elman_stepper;

/* Rows of a table under AdamW. With grads, the step of that number of rows that are up to date with the one
 * before, each row once; what the step leaves undone in the others is noted in reach and decay. Without, rows are
 * brought up to date with it, and may stand there more than once. */
typedef struct {
  int32_t threads;
  int64_t count, width, table, step; /* rows that are named, numbers of a row, rows of the table */
  const int64_t* rows;  /* null for the first of the table */
  const float* grads;   /* count × width, or null */
  float* weight;        /* table × width, and so the two means */
  float* m;
  float* v;
  float* moved;         /* table: the step at which a row was moved last */
  float* reach;         /* by step, `step` + 1 of them: how far the momentum it leaves will have carried a row by now */
  float* decay;         /* by step, as many: the logarithm of what is left of a weight after all so far */
  double beta1, beta2, kept, size, eps; /* kept: 1 - rate·decay; size: of the step; with grads, eps is scaled */
  double scale; /* what gradients are multiplied by */
} elman_rows;

/* A dense tensor under AdamW. Its norm asks only for the first two. */
typedef struct {
  int64_t count;
  const float* grad;
  float* weight;
  float* m;
  float* v;
  float* step; /* how many steps it has made, which is counted */
  double rate, decay, beta1, beta2, eps;
} elman_weights;

/* All of them together; `scale` is what gradients are multiplied by. */
typedef struct {
  int32_t threads;
  int64_t tensors;
  const elman_weights* tensor;
  double scale;
} elman_adamw;

/* The mean cross entropy of the softmax of a linear layer, z = x·Wᵀ + b, beside targets, and its gradients. The target
 * counts 1 - smoothing, and all outputs share the rest. */
typedef struct {
  int32_t threads;
  int64_t rows, input, outputs; /* one row at least */
  int64_t parts;                /* of which the input is joined: 1 if it is whole */
  const float* x;               /* parts × rows × input/parts */
  const float* weight;          /* outputs × input */
  const float* bias;            /* outputs, or null */
  const int64_t* targets;       /* rows, each from 0 to outputs - 1 */
  double smoothing;             /* from 0 to 1 */
  float* grad_x;                /* each like its own, or null where it is not wanted: all, if grad_weight is */
  float* grad_weight;
  float* grad_bias;
} elman_cross_entropy;

/* Attentive pooling in float32: of each sequence its last state, joined by Σ a[t]·h[t], where a is the softmax over its
 * steps of query·tanh(key·h[t] + bias). Of a sequence of no steps the sum is zero. */
typedef struct {
  int32_t threads;
  int64_t batch, rows, width;
  const int64_t* offsets;
  const float* h;     /* rows × width */
  const float* last;  /* batch × width */
  const float* key;   /* width × width */
  const float* bias;  /* width */
  const float* query; /* width */
  float* keys;        /* rows × width and rows, for the way back: the tanh, and a */
  float* shares;
  float* pooled;      /* batch × 2*width */
  /* backward only */
  const float* grad;  /* like pooled; with it, the call is the way back. The gradient of `last` is its first half */
  float* grad_h;
  float* grad_key;
  float* grad_bias;
  float* grad_query;
} elman_pooling;

/* A classifier of sequences of words, with all its gradients, in float32: rows of a table, layers of one cell, the last
 * states of the upper one, all directions' joined, and elman_mean_cross_entropy of these. */
typedef struct {
  int32_t cell, layers, directions, biased, threads;
  int64_t batch, steps, table, input, hidden, outputs; /* one sequence and one step at least */
  const int64_t* offsets;
  const int64_t* words;   /* steps, each from 0 to table - 1 */
  const int64_t* targets; /* batch */
  double smoothing;
  double shared; /* rows that several steps read are projected once, if there are at most so many to a step */
  const float* rows;             /* table × input */
  const float* const* weights;   /* layer by layer, and direction by direction: ih, hh and, if biased, their biases */
  const float* head;             /* outputs × directions*hidden */
  const float* head_bias;        /* outputs, or null */
  float* grads;  /* of the table, the weights, the head and its bias, one behind the other */
  int64_t* read; /* null; or, for room of steps, the rows of the table that were read, in any order: then the
                    gradients begin with those of these rows, in room for steps × input, and not with a whole table */
  int64_t* reads; /* how many of them there are */
} elman_classifier;

ELMAN_API int32_t elman_abi(void);
ELMAN_API const char* elman_instructions(void); /* the instruction set in use: "amx", "avx512", "avx2", "baseline" */
ELMAN_API int32_t elman_use(const char* instructions); /* choose another that this machine has, for comparisons */

ELMAN_API int32_t elman_forward(const elman_scan* scan);
ELMAN_API int32_t elman_backward(const elman_scan* scan);
ELMAN_API int32_t elman_linear_forward(const elman_linear* linear);
ELMAN_API int32_t elman_linear_backward(const elman_linear* linear);
/* x: batch × input of the first layer. Checks nothing but for null: elman_step_check does, once. */
ELMAN_API int32_t elman_step(const elman_stepper* stepper, const void* x);
ELMAN_API int32_t elman_move_rows(const elman_rows* rows);
/* Rows of a table that stand there more than once, in the order in which they come first: the distinct ones, with which
 * of them each is, or with the sums of their gradients. Both return how many there are, or less than 0 where one is not
 * of the table, or there is no memory. */
ELMAN_API int64_t elman_distinct(int64_t count, int64_t table, const int64_t* rows, int64_t* distinct, int64_t* which);
ELMAN_API int64_t elman_sum_rows(int64_t count, int64_t width, int64_t table, const int64_t* rows, const float* grads,
                                 int64_t* distinct, float* sums);
/* The gradient of a whole table: zero, and what was read of each row added in the order in which it was read, however
 * many threads there are. */
ELMAN_API int32_t elman_add_rows(int32_t threads, int64_t count, int64_t width, int64_t table, const int64_t* rows,
                                 const float* grads, float* sums);
/* Some sequences of a ragged batch, end to end. First where each of them will start, and where the last one ends, which
 * is returned: less than 0 where one is not of the batch. Then their steps, of `size` bytes each. */
ELMAN_API int64_t elman_starts(int64_t batch, const int64_t* offsets, int64_t count, const int64_t* chosen, int64_t* starts);
ELMAN_API int32_t elman_pick(const int64_t* offsets, int64_t count, const int64_t* chosen, int64_t size, const void* values,
                             const int64_t* starts, void* picked);
/* The norm of all gradients together, and one step of all weights: the same for any number of threads. */
ELMAN_API int32_t elman_norm(const elman_adamw* weights, double* norm);
ELMAN_API int32_t elman_move_weights(const elman_adamw* weights);
ELMAN_API int32_t elman_mean_cross_entropy(const elman_cross_entropy* on, double* loss);
ELMAN_API int32_t elman_pool(const elman_pooling* on);
ELMAN_API int32_t elman_classify(const elman_classifier* on, double* loss);
ELMAN_API int32_t elman_step_check(const elman_stepper* stepper);

#ifdef __cplusplus
}
#endif
#endif
