// Row maths over f32, f16, bf16, q8_0, q4_0, mxfp4, q4_K and q6_K rows, one table of functions per
// instruction set.
//
// Everything is batch-invariant: an output element is one fixed chain of operations for a given
// instruction set, whatever the number of rows or tokens in the call, the row's place, or how the
// work is cut (groups of neurons, see accumulate, must not be). Functions keep no state, allocate
// nothing and may run on any thread. Rows, activations and key-value entries may start at any
// address; f32 arrays are aligned as floats.
#ifndef CFLASHKERNELS_H
#define CFLASHKERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  CFlashKernels_scalar,
  CFlashKernels_avx2,
  CFlashKernels_avx512,
  CFlashKernels_amx,
  CFlashKernels_neon,
} CFlashKernels_InstructionSet;

// output[t * outputStride + r] = row r . activation t.
typedef struct {
  size_t width;                 // values in a row
  const void *rows;             // row r at rows + r * rowStride ...
  size_t rowStride;             // bytes
  const void *const *scattered; // ... or, where not null, at scattered[r]
  size_t rowCount;
  const void *activations;      // prepared activations, activationStride bytes apart
  size_t activationStride;
  size_t tokenCount;
  float *output;                // [tokenCount, outputStride]
  size_t outputStride;          // floats
  const void *ahead;            // see below
} CFlashKernels_Dot;

// Of a job's `ahead`, bytes that are wanted after it, as many are brought closer with each row as
// the row has, in order; they need not be there. Where it is null, the job's rows further on are.

// Neurons of a layer whose quantized down rows are summed in integers; see fold.h.
enum { CFlashKernels_neuronGroup = 32 };

// accumulators[t][p] += sum over r ascending of coefficients[t * coefficientStride + r] * row r [p]
// for p in firstColumn ..< endColumn, positions in the row's packed order. A coefficient equal to
// zero is skipped. Rows of the quantized formats are added in groups of neurons.
typedef struct {
  size_t width;
  size_t firstColumn, endColumn;
  const void *const *rows;
  size_t rowCount;
  size_t firstNeuron;     // row r is neuron firstNeuron + neurons[r], ascending ...
  const int32_t *neurons; // ... or, where null, firstNeuron + r
  const float *coefficients;
  size_t coefficientStride; // floats
  size_t tokenCount;
  float *accumulators; // [tokenCount, accumulatorStride]
  size_t accumulatorStride; // floats
  const void *ahead;        // see above
} CFlashKernels_Accumulate;

typedef struct {
  // x: [width] -> prepared activation, rounded once as this format's dot wants it.
  void (*prepareActivation)(const float *x, size_t width, void *activation);
  void (*dot)(const CFlashKernels_Dot *);
  // The same with groups of 16 rows side by side, see beside.h; rows left over are not multiplied.
  void (*dotBeside)(const CFlashKernels_Dot *);
  void (*accumulate)(const CFlashKernels_Accumulate *);
  // output[i] += accumulator in packed order, i in plain order.
  void (*addUnpacked)(size_t width, const float *accumulator, float *output);
  void (*decodeRow)(size_t width, const void *row, float *values);
  void (*encodeRow)(size_t width, const float *values, void *row);
} CFlashKernels_Rows;

// One head's keys or values in the KV cache, `stride` bytes from one position to the next.
typedef struct {
  void (*store)(const float *values, size_t count, void *entry);
  // output[p] = scale * (query . key p)
  void (*scores)(const float *query, size_t headDimension, const void *keys, size_t stride,
                 size_t count, float scale, float *output);
  // output[d] += sum over p ascending of weights[p] * value p [d]
  void (*values)(const float *weights, size_t count, const void *values, size_t stride,
                 size_t headDimension, float *output);
} CFlashKernels_KeyValue;

typedef struct {
  float (*exponential)(float x);
  // scores[i] becomes exp(scores[i] - maximum); returns their sum.
  float (*softmaxPart)(float *scores, size_t count, float *maximum);
  void (*rmsNorm)(const float *x, size_t width, const float *weight, float epsilon, float *output);
  // bias may be null.
  void (*layerNorm)(const float *x, size_t width, const float *weight, const float *bias,
                    float epsilon, float *output);
  void (*add)(const float *x, float *y, size_t count);
  // y[i] *= x[i]
  void (*multiply)(const float *x, float *y, size_t count);
  void (*scale)(float *x, float factor, size_t count);
  // x[i] = limit * tanh(x[i] / limit)
  void (*cap)(float *x, float limit, size_t count);
  // Zero where x is not above the threshold, which is not negative.
  void (*relu)(float *x, float threshold, size_t count);
  void (*reluSquared)(float *x, size_t count);
  void (*silu)(float *x, size_t count);
  // By the error function, or by its approximation with tanh.
  void (*gelu)(float *x, size_t count);
  void (*geluTanh)(float *x, size_t count);
  // output[i] = relu(gate[i]) * up[i], or silu(gate[i]) * up[i]
  void (*reluGate)(const float *gate, const float *up, size_t count, float *output);
  void (*siluGate)(const float *gate, const float *up, size_t count, float *output);
  // output[i] = (u + 1) g sigmoid(1.702 g) with g = min(gate[i], 7), u = up[i] kept within 7
  void (*clampedSwiGLU)(const float *gate, const float *up, size_t count, float *output);
  // Rotate-half: the pair of x[i] is x[i + half]; cosine, sine: [half].
  void (*rotate)(float *x, const float *cosine, const float *sine, size_t half);
  // Values that are NaN or infinite.
  size_t (*countNonFinite)(const float *x, size_t count);
} CFlashKernels_Vectors;

typedef struct {
  CFlashKernels_Rows f32, f16, bf16, q8_0, q4_0, mxfp4, q4_K, q6_K;
  CFlashKernels_KeyValue keyValueF32, keyValueF16, keyValueQ8_0;
  CFlashKernels_Vectors vectors;
} CFlashKernels_Table;

// The functions of one instruction set, or null where this CPU lacks it.
const CFlashKernels_Table *CFlashKernels_table(CFlashKernels_InstructionSet);

// The AMX functions over tiles in plain C, for tests; null where the CPU lacks AVX-512.
const CFlashKernels_Table *CFlashKernels_emulatedAMXTable(void);

// Reads `count` bytes, a multiple of 256 on a boundary of 64, in 1 or 2 streams, asking for lines
// `ahead` bytes before they are read. Returns a sum, so that no compiler leaves the reads out.
uint64_t CFlashKernels_read(const void *bytes, size_t count, size_t streams, size_t ahead);

// A Swift closure of type (Int) -> Void that may not escape, as the two words it is passed in.
// Swift has no way to hand such a closure to another thread without a box on the heap.
struct CFlashKernels_body {
  void *function;
  void *context;
};

// Called from Swift as a function that takes the closure; valid until that closure's scope ends.
__attribute__((swiftcall)) void CFlashKernels_keep_body(void *function, void *context,
                                                        struct CFlashKernels_body *body);

static inline void CFlashKernels_call_body(const struct CFlashKernels_body *body, long part) {
  typedef __attribute__((swiftcall)) void (*function)(
      long part, __attribute__((swift_context)) void *context);
  ((function)body->function)(part, body->context);
}

// Tells the CPU that this thread is spinning.
static inline void CFlashKernels_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
