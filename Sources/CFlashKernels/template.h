// The kernels of one instruction set. The file that includes this has defined LANES, the vector
// types vf (float), vi and vu (32-bit integers) and the operations on them; a function taking `n`
// touches the first n <= LANES lanes and reads zero in the others.
#include "rows.h"
#include "convert.h"
#include "dot.h"
#include "beside.h"
#include "accumulate.h"
#include "accumulate_tokens.h"
#include "fold.h"
#include "fold_tokens.h"
#include "encode_super.h"
#include "encode.h"
#include "vectors.h"
#include "activations.h"
#include "attention.h"

#define ROW_FUNCTIONS(format)                                                                      \
  static void dot##format(const CFlashKernels_Dot *job) { dot(format, job); }                      \
  static void dotBeside##format(const CFlashKernels_Dot *job) { dotBeside(format, job); }          \
  static void accumulate##format(const CFlashKernels_Accumulate *job) { accumulate(format, job); } \
  static void decode##format(size_t width, const void *row, float *values) {                       \
    decodeRow(format, width, row, values);                                                         \
  }                                                                                                \
  static void encode##format(size_t width, const float *values, void *row) {                       \
    encodeRow(format, width, values, row);                                                         \
  }                                                                                                \
  static void prepare##format(const float *x, size_t width, void *activation) {                    \
    prepareActivation(format, x, width, activation);                                               \
  }                                                                                                \
  static void addUnpacked##format(size_t width, const float *accumulator, float *output) {         \
    addUnpacked(format, width, accumulator, output);                                               \
  }

#define KEY_VALUE_FUNCTIONS(format)                                                                \
  static void store##format(const float *values, size_t count, void *entry) {                      \
    storeKeyValue(format, values, count, entry);                                                   \
  }                                                                                                \
  static void scores##format(const float *query, size_t headDimension, const void *keys,           \
                             size_t stride, size_t count, float scale, float *output) {            \
    scores(format, query, headDimension, keys, stride, count, scale, output);                      \
  }                                                                                                \
  static void values##format(const float *weights, size_t count, const void *entries,              \
                             size_t stride, size_t headDimension, float *output) {                 \
    weightedValues(format, weights, count, entries, stride, headDimension, output);                \
  }

ROW_FUNCTIONS(F32)
ROW_FUNCTIONS(F16)
ROW_FUNCTIONS(BF16)
ROW_FUNCTIONS(Q8_0)
ROW_FUNCTIONS(Q4_0)
ROW_FUNCTIONS(MXFP4)
ROW_FUNCTIONS(Q4_K)
ROW_FUNCTIONS(Q6_K)
KEY_VALUE_FUNCTIONS(F32)
KEY_VALUE_FUNCTIONS(F16)
KEY_VALUE_FUNCTIONS(KeyValueQ8_0)

#define ROWS(format)                                                                               \
  {prepare##format,     dot##format,    dotBeside##format, accumulate##format,                     \
   addUnpacked##format, decode##format, encode##format}
#define KEY_VALUE(format) {store##format, scores##format, values##format}

const CFlashKernels_Table TABLE = {
    .f32 = ROWS(F32),
    .f16 = ROWS(F16),
    .bf16 = ROWS(BF16),
    .q8_0 = ROWS(Q8_0),
    .q4_0 = ROWS(Q4_0),
    .mxfp4 = ROWS(MXFP4),
    .q4_K = ROWS(Q4_K),
    .q6_K = ROWS(Q6_K),
    .keyValueF32 = KEY_VALUE(F32),
    .keyValueF16 = KEY_VALUE(F16),
    .keyValueQ8_0 = KEY_VALUE(KeyValueQ8_0),
    .vectors = {exponentialOne, softmaxPart, rmsNorm, layerNorm, add, multiply, scale, cap, relu,
                reluSquared, silu, gelu, geluTanh, reluGate, siluGate, clampedSwiGLU,
                rotate, countNonFinite},
};
