// One head's keys and values: store, scores, values.
#include "compare.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *name;
  size_t place; // in CFlashKernels_Table
  size_t step;  // of head dimensions
} Format;

static const Format formats[] = {
    {"f32", offsetof(CFlashKernels_Table, keyValueF32), 1},
    {"f16", offsetof(CFlashKernels_Table, keyValueF16), 1},
    {"q8_0", offsetof(CFlashKernels_Table, keyValueQ8_0), 32},
};

enum { entryCount = 11 };

static const CFlashKernels_KeyValue *functionsOf(const CFlashKernels_Table *table,
                                                 const Format *format) {
  return (const CFlashKernels_KeyValue *)(const void *)((const char *)table + format->place);
}

static size_t entryBytes(const Format *format, size_t dimension) {
  return format->step == 32 ? dimension / 32 * 34 : format->name[1] == '3' ? 4 * dimension
                                                                           : 2 * dimension;
}

typedef struct {
  const Format *format;
  size_t dimension, stride;
  uint8_t *entries;
  float *query; // and where the values are added
} Head;

static void compareScores(const Tables *tables, const Head *head) {
  const CFlashKernels_KeyValue *checked = functionsOf(tables->checked, head->format);
  const CFlashKernels_KeyValue *reference = functionsOf(tables->reference, head->format);
  float found[entryCount], expected[entryCount];
  for (size_t count = 0; count <= entryCount; count++) {
    const uint8_t *keys = head->entries + (entryCount - count) * head->stride;
    checked->scores(head->query, head->dimension, keys, head->stride, count, 0.125f, found);
    reference->scores(head->query, head->dimension, keys, head->stride, count, 0.125f, expected);
    for (size_t p = 0; p < count; p++) {
      float alone;
      describe("head of %zu, key %zu of %zu", head->dimension, p, count);
      expectClose(found[p], expected[p], 0.125 * (double)head->dimension);
      checked->scores(head->query, head->dimension, keys + p * head->stride, head->stride, 1,
                      0.125f, &alone);
      expectSame(&alone, &found[p], 1);
    }
  }
}

static void compareValues(const Tables *tables, const Head *head) {
  const CFlashKernels_KeyValue *checked = functionsOf(tables->checked, head->format);
  const CFlashKernels_KeyValue *reference = functionsOf(tables->reference, head->format);
  const size_t size = 4 * head->dimension;
  float *found = allocate(size), *apart = allocate(size), *expected = allocate(size);
  float weights[entryCount];
  randomFloats(weights, entryCount, 0, 1);
  memcpy(found, head->query, size);
  memcpy(apart, head->query, size);
  memcpy(expected, head->query, size);
  checked->values(weights, entryCount, head->entries, head->stride, head->dimension, found);
  reference->values(weights, entryCount, head->entries, head->stride, head->dimension, expected);
  for (size_t p = 0; p < entryCount; p++)
    checked->values(weights + p, 1, head->entries + p * head->stride, head->stride,
                    head->dimension, apart);
  describe("head of %zu, values", head->dimension);
  expectSame(found, apart, head->dimension);
  for (size_t d = 0; d < head->dimension; d++)
    expectClose(found[d], expected[d], entryCount);
  free(found), free(apart), free(expected);
}

static void compareFormat(const Tables *tables, const Format *format) {
  const CFlashKernels_KeyValue *checked = functionsOf(tables->checked, format);
  const CFlashKernels_KeyValue *reference = functionsOf(tables->reference, format);
  beginPart("key-value cache", format->name, 5e-7);
  for (size_t dimension = format->step; dimension <= 288; dimension += format->step) {
    Head head = {.format = format, .dimension = dimension};
    const size_t size = entryBytes(format, dimension);
    head.stride = size + 1;
    uint8_t *entries = allocate(head.stride * entryCount + 1), *entry = allocate(size);
    head.entries = entries + 1;
    head.query = allocate(4 * dimension);
    for (size_t p = 0; p < entryCount; p++) {
      uint8_t *to = head.entries + p * head.stride;
      randomFloats(head.query, dimension, -1, 1);
      describe("head of %zu, store", dimension);
      checked->store(head.query, dimension, to);
      reference->store(head.query, dimension, entry);
      expectSameBytes(to, entry, size);
    }
    compareScores(tables, &head);
    compareValues(tables, &head);
    free(entries), free(entry), free(head.query);
  }
}

void compareKeyValues(const Tables *tables) {
  for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
    compareFormat(tables, &formats[f]);
}
