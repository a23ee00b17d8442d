// Compares the kernels of two instruction sets, function by function, on the CPU or in the emulator
// that runs it: `compare CHECKED REFERENCE [exact]`. Ends with 1 at a difference, with 2 where an
// instruction set is missing. No part of the library: scripts/check-neon builds it.
#include "../common.h"
#include "compare.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
  char name[64], context[160];
  double tolerance, worst;
  long comparisons, differences;
} part;
static long comparisons, differences;
static int isExact;

static void endPart(void) {
  if (part.comparisons > 0)
    printf("%-28s %9ld compared, %ld different, largest error %.2g\n", part.name, part.comparisons,
           part.differences, part.worst);
  comparisons += part.comparisons;
  differences += part.differences;
}

void beginPart(const char *function, const char *format, double tolerance) {
  endPart();
  memset(&part, 0, sizeof part);
  snprintf(part.name, sizeof part.name, "%s %s", function, format);
  part.tolerance = isExact ? 0 : tolerance;
}

void describe(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(part.context, sizeof part.context, format, arguments);
  va_end(arguments);
}

static void countOne(int isGood, double found, double expected) {
  part.comparisons++;
  if (isGood)
    return;
  if (++part.differences <= 5)
    printf("DIFFERENT: %s, %s: %.9g, not %.9g\n", part.name, part.context, found, expected);
}

void expectClose(double found, double expected, double scale) {
  const int isSame = found == expected || (isnan(found) && isnan(expected));
  const double error = isSame ? 0 : fabs(found - expected) / scale;
  part.worst = error > part.worst ? error : part.worst;
  countOne(error <= part.tolerance, found, expected);
}

void expectSameBytes(const void *found, const void *expected, size_t byteCount) {
  const uint8_t *a = found, *b = expected;
  size_t i = 0;
  while (i < byteCount && a[i] == b[i])
    i++;
  countOne(i == byteCount, i < byteCount ? a[i] : 0, i < byteCount ? b[i] : 0);
}

// SplitMix64.
uint64_t randomBits(void) {
  static uint64_t state = 1;
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

float randomFloat(float low, float high) {
  return low + (high - low) * ((float)(randomBits() >> 40) * 0x1p-24f);
}

void randomFloats(float *values, size_t count, float low, float high) {
  for (size_t i = 0; i < count; i++)
    values[i] = randomFloat(low, high);
}

uint16_t randomHalf(void) {
  const uint64_t bits = randomBits();
  return (uint16_t)((bits & 0x8000) | ((10u << 10) + bits % (6u << 10)));
}

uint8_t randomPower(void) { return (uint8_t)(123 + randomBits() % 6); }

void *allocate(size_t byteCount) {
  void *memory = calloc(byteCount + 1, 1);
  if (memory == NULL)
    abort();
  return memory;
}

static const CFlashKernels_Table *tableNamed(const char *name) {
  static const struct {
    const char *name;
    CFlashKernels_InstructionSet set;
  } sets[] = {{"scalar", CFlashKernels_scalar},
              {"avx2", CFlashKernels_avx2},
              {"avx512", CFlashKernels_avx512},
              {"amx", CFlashKernels_amx},
              {"neon", CFlashKernels_neon}};
  if (strcmp(name, "emulated-amx") == 0)
    return CFlashKernels_emulatedAMXTable();
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    if (strcmp(name, sets[i].name) == 0)
      return CFlashKernels_table(sets[i].set);
  return NULL;
}

// Which of NEON's two tables the CPU was given.
static const char *noteOn(const CFlashKernels_Table *table) {
#if defined(__aarch64__)
  if (table == &CFlashKernels_neonDotTable)
    return " (with SDOT)";
  if (table == &CFlashKernels_neonTable)
    return " (without SDOT)";
#endif
  return (void)table, "";
}

int main(int argumentCount, char **arguments) {
  if (argumentCount < 3) {
    fprintf(stderr, "usage: %s CHECKED REFERENCE [exact]\n", arguments[0]);
    return 2;
  }
  const Tables tables = {tableNamed(arguments[1]), tableNamed(arguments[2])};
  isExact = argumentCount > 3 && strcmp(arguments[3], "exact") == 0;
  if (tables.checked == NULL || tables.reference == NULL) {
    fprintf(stderr, "this CPU does not have %s\n", arguments[tables.checked == NULL ? 1 : 2]);
    return 2;
  }
  compareRows(&tables);
  compareKeyValues(&tables);
  compareVectors(&tables);
  endPart();
  printf("%s%s against %s: %ld compared, %ld different\n", arguments[1], noteOn(tables.checked),
         arguments[2], comparisons, differences);
  return differences > 0;
}
