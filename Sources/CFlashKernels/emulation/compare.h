// What the parts of the comparison share: the two tables, the count of what was compared, and
// repeatable random rows.
#ifndef COMPARE_H
#define COMPARE_H

#include "CFlashKernels.h"
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const CFlashKernels_Table *checked;   // under test
  const CFlashKernels_Table *reference; // to compare with
} Tables;

void compareRows(const Tables *tables);
void compareKeyValues(const Tables *tables);
void compareVectors(const Tables *tables);

// Begins a line of the summary. Values may differ by `tolerance` times their scale; by nothing if
// the comparison is exact.
void beginPart(const char *function, const char *format, double tolerance);
// What is compared, for the message of a difference.
void describe(const char *format, ...) __attribute__((format(printf, 1, 2)));
void expectClose(double found, double expected, double scale);
void expectSameBytes(const void *found, const void *expected, size_t byteCount);
static inline void expectSame(const float *found, const float *expected, size_t count) {
  expectSameBytes(found, expected, count * sizeof *found);
}

uint64_t randomBits(void);
float randomFloat(float low, float high);
void randomFloats(float *values, size_t count, float low, float high);
// Either sign, 2^-5 to 2 in magnitude.
uint16_t randomHalf(void);
// The same as mxfp4's scale.
uint8_t randomPower(void);
// Traps where there is no memory.
void *allocate(size_t byteCount);

#endif
