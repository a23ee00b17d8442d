// Rows of weights: encode, decode, prepare, dot, accumulate, addUnpacked, in every format. Against
// the other table within rounding; against itself, however a call is cut, to the last bit.
#include "compare.h"
#include "formats.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Magnitudes from subnormal to large, a block of zeros, and values in the middle of two steps of
// q8_0 and of activations.
static void valuesToEncode(float *x, size_t width) {
  const float magnitude = ldexpf(1, (int)(width % 130) - 100);
  for (size_t i = 0; i < width; i++) {
    const int e = (int)(i % 32);
    x[i] = randomFloat(-1, 1) * magnitude;
    if (width > 40 && i < 32)
      x[i] = 0;
    else if (width > 100 && i < 64)
      x[i] = (float)e * 0.5f - 8;
    else if (width > 100 && i < 96)
      x[i] = e == 0 ? 127 : (float)e * 3 - 47.5f;
  }
}

// Encoding gives the same bytes and decoding the same bits on every instruction set.
static void compareCodec(const Tables *tables, const Format *format) {
  const CFlashKernels_Rows *checked = rowsOf(tables->checked, format);
  const CFlashKernels_Rows *reference = rowsOf(tables->reference, format);
  size_t width;
  beginPart("encode, decode, prepare", format->name, 0);
  for (size_t w = 0; (width = widthAt(format, w)) != SIZE_MAX; w++) {
    const size_t rowSize = rowBytes(format, width), size = activationBytes(format, width);
    float *x = allocate(4 * width), *found = allocate(4 * width), *values = allocate(4 * width);
    uint8_t *row = allocate(rowSize + 8), *other = allocate(rowSize + 8);
    uint8_t *activation = allocate(size + 8), *prepared = allocate(size + 8);
    valuesToEncode(x, width);
    const size_t offset = width % 5;
    for (int isFinite = 1; isFinite >= 0; isFinite--) {
      describe("width %zu, %s", width, isFinite ? "finite" : "with NaN and infinity");
      checked->encodeRow(width, x, row + offset);
      reference->encodeRow(width, x, other);
      expectSameBytes(row + offset, other, rowSize);
      checked->prepareActivation(x, width, activation + offset);
      reference->prepareActivation(x, width, prepared);
      expectSameBytes(activation + offset, prepared, size);
      if (width > 40)
        x[3] = NAN, x[40] = -INFINITY;
    }
    randomRow(format, width, row + offset);
    memcpy(other, row + offset, rowSize);
    checked->decodeRow(width, row + offset, found);
    reference->decodeRow(width, other, values);
    expectSame(found, values, width);
    free(x), free(found), free(values), free(row), free(other), free(activation), free(prepared);
  }
}

enum { mostRows = 37, mostTokens = 41 };
enum { accumulatedRows = 75, accumulatedTokens = 19, firstNeuron = 7 };

typedef struct {
  const Format *format;
  size_t width, rowStride, activationStride;
  size_t rowCount, tokenCount;
  uint8_t *rows, *activations;
  const void *scattered[mostRows]; // the last row first
  float alone[mostTokens][mostRows];
} DotCase;

static void runDot(const CFlashKernels_Rows *functions, const DotCase *test, int isScattered,
                   size_t row, size_t rows, size_t token, size_t tokens, float *output,
                   size_t outputStride) {
  const CFlashKernels_Dot job = {
      .width = test->width,
      .rows = test->rows + row * test->rowStride,
      .rowStride = test->rowStride,
      .scattered = isScattered ? test->scattered + row : NULL,
      .rowCount = rows,
      .activations = test->activations + token * test->activationStride,
      .activationStride = test->activationStride,
      .tokenCount = tokens,
      .output = output,
      .outputStride = outputStride,
  };
  functions->dot(&job);
}

// Each row with each token alone, against the other table.
static void compareAlone(const Tables *tables, DotCase *test, const float *x) {
  const CFlashKernels_Rows *checked = rowsOf(tables->checked, test->format);
  const CFlashKernels_Rows *reference = rowsOf(tables->reference, test->format);
  float *values = allocate(4 * test->width);
  for (size_t r = 0; r < test->rowCount; r++) {
    reference->decodeRow(test->width, test->rows + r * test->rowStride, values);
    for (size_t t = 0; t < test->tokenCount; t++) {
      float expected;
      double magnitude = 1e-30;
      for (size_t i = 0; i < test->width; i++)
        magnitude += fabs((double)values[i] * (double)x[t * test->width + i]);
      describe("width %zu, row %zu, token %zu", test->width, r, t);
      runDot(checked, test, 0, r, 1, t, 1, &test->alone[t][r], 1);
      runDot(reference, test, 0, r, 1, t, 1, &expected, 1);
      expectClose(test->alone[t][r], expected, magnitude);
    }
  }
  free(values);
}

// Every count of tokens and rows gives the bits of each row and token alone, and writes nothing
// beside them.
static void compareCuts(const CFlashKernels_Rows *checked, const DotCase *test) {
  static const size_t tokenCounts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 33, 41};
  static const size_t rowCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 32, 37};
  static float output[mostTokens][mostRows + 2];
  const float untouched = 77;
  for (size_t i = 0; i < sizeof tokenCounts / sizeof *tokenCounts; i++)
    for (size_t j = 0; j < sizeof rowCounts / sizeof *rowCounts; j++)
      for (int isScattered = 0; isScattered < 2; isScattered++) {
        const size_t tokens = tokenCounts[i], rows = rowCounts[j];
        if (tokens > test->tokenCount || rows > test->rowCount)
          continue;
        describe("width %zu, %zu rows, %zu tokens, cut", test->width, rows, tokens);
        for (size_t t = 0; t < tokens; t++)
          output[t][rows] = untouched;
        runDot(checked, test, isScattered, 0, rows, 0, tokens, output[0], mostRows + 2);
        for (size_t t = 0; t < tokens; t++) {
          expectSame(&output[t][rows], &untouched, 1);
          for (size_t r = 0; r < rows; r++)
            expectSame(&output[t][r], &test->alone[t][isScattered ? test->rowCount - 1 - r : r], 1);
        }
      }
}

// 9 rows and 17 tokens at every width, all at some.
static void compareDot(const Tables *tables, const Format *format) {
  const CFlashKernels_Rows *checked = rowsOf(tables->checked, format);
  size_t width;
  beginPart("dot", format->name, 2e-6);
  for (size_t w = 0; (width = widthAt(format, w)) != SIZE_MAX; w++) {
    static DotCase test;
    const int isLarge = width == 32 || width == 128 || width == 480 || width == 512 ||
                        width == 544 || width == 1056 || width == 4096;
    test = (DotCase){.format = format, .width = width};
    test.rowCount = isLarge ? mostRows : 9;
    test.tokenCount = isLarge ? mostTokens : 17;
    test.rowStride = rowBytes(format, width) + 3;
    test.activationStride = activationBytes(format, width) + 4;
    uint8_t *rows = allocate(test.rowStride * test.rowCount + 8);
    uint8_t *activations = allocate(test.activationStride * test.tokenCount + 8);
    float *x = allocate(4 * width * test.tokenCount);
    test.rows = rows + width % 5;
    test.activations = activations + width / 32 % 3;
    for (size_t r = 0; r < test.rowCount; r++) {
      randomRow(format, width, test.rows + r * test.rowStride);
      test.scattered[test.rowCount - 1 - r] = test.rows + r * test.rowStride;
    }
    randomFloats(x, width * test.tokenCount, -1, 1);
    for (size_t t = 0; t < test.tokenCount; t++)
      checked->prepareActivation(x + t * width, width,
                                 test.activations + t * test.activationStride);
    compareAlone(tables, &test, x);
    compareCuts(checked, &test);
    free(rows), free(activations), free(x);
  }
}

// 16 rows side by side with 3 tokens, against the other table. For the plain formats they are bytes
// of a row of 16 times the width; of the others only the scales must be of moderate size.
static void compareBeside(const Tables *tables, const Format *format) {
  const double largest = format->blockBytes == 34   ? 128
                         : format->blockBytes == 18 ? 8
                         : format->blockBytes == 17 ? 12
                                                    : 1;
  size_t width;
  beginPart("dot side by side", format->name, 2e-6);
  for (size_t w = 1; (width = widthAt(format, w)) <= 34 * 32; w++) {
    const size_t size = activationBytes(format, width);
    uint8_t *rows = allocate(16 * rowBytes(format, width)), *activations = allocate(3 * size);
    float *x = allocate(4 * width * 3), found[48], expected[48];
    randomRow(format, 16 * width, rows);
    for (size_t i = 0; format->blockValues > 1 && i < 16 * (width / 32); i++) {
      const uint16_t half = randomHalf();
      uint8_t *group = rows + i / 16 * 16 * format->blockBytes;
      if (format->blockBytes == 17)
        group[i % 16] = randomPower();
      else
        memcpy(group + i % 16 * 2, &half, 2);
    }
    randomFloats(x, width * 3, -1, 1);
    for (size_t t = 0; t < 3; t++)
      rowsOf(tables->checked, format)->prepareActivation(x + t * width, width,
                                                         activations + t * size);
    CFlashKernels_Dot job = {width, rows, 0, NULL, 16, activations, size, 3, found, 16};
    rowsOf(tables->checked, format)->dotBeside(&job);
    job.output = expected;
    rowsOf(tables->reference, format)->dotBeside(&job);
    describe("width %zu", width);
    for (size_t i = 0; i < 48; i++)
      expectClose(found[i], expected[i], largest * (double)width);
    free(rows), free(activations), free(x);
  }
}

typedef struct {
  size_t width;
  const void *rows[accumulatedRows];
  int32_t neurons[accumulatedRows];
  float coefficients[accumulatedTokens][accumulatedRows];
} AccumulateCase;

static void runAccumulate(const CFlashKernels_Rows *functions, const AccumulateCase *test,
                          size_t first, size_t end, size_t row, size_t rows, size_t token,
                          size_t tokens, float *accumulators) {
  const CFlashKernels_Accumulate job = {
      .width = test->width,
      .firstColumn = first,
      .endColumn = end,
      .rows = test->rows + row,
      .rowCount = rows,
      .firstNeuron = firstNeuron,
      .neurons = test->neurons + row,
      .coefficients = &test->coefficients[token][row],
      .coefficientStride = accumulatedRows,
      .tokenCount = tokens,
      .accumulators = accumulators + token * test->width,
      .accumulatorStride = test->width,
  };
  functions->accumulate(&job);
}

static size_t neuronOf(const AccumulateCase *test, size_t r) {
  return firstNeuron + (size_t)test->neurons[r];
}

// Token by token, column by column, and row by row, or by groups of rows where those are added as
// one. Gives all that tokens at once may give.
static void accumulateApart(const CFlashKernels_Rows *checked, const Format *format,
                            const AccumulateCase *test, float *accumulators) {
  const size_t width = test->width, step = format->blockValues == 1 ? 64 : 512;
  const size_t group = format->blockValues == 1 ? 1 : CFlashKernels_neuronGroup;
  for (size_t t = 0; t < accumulatedTokens; t++)
    for (size_t first = 0; first < width; first += step)
      for (size_t r = 0, end; r < accumulatedRows; r = end) {
        for (end = r + 1; end < accumulatedRows &&
                          neuronOf(test, end) / group == neuronOf(test, r) / group;)
          end++;
        runAccumulate(checked, test, first, first + step < width ? first + step : width, r, end - r,
                      t, 1, accumulators);
      }
}

static void compareAccumulateCuts(const CFlashKernels_Rows *checked, const Format *format,
                                  const AccumulateCase *test, const float *start, float *together) {
  static const size_t tokenCounts[] = {1, 2, 3, 4, 5, 8, 9, 16, accumulatedTokens};
  const size_t width = test->width;
  float *apart = allocate(4 * width * accumulatedTokens);
  memcpy(apart, start, 4 * width * accumulatedTokens);
  accumulateApart(checked, format, test, apart);
  for (size_t i = 0; i < sizeof tokenCounts / sizeof *tokenCounts && width > 0; i++) {
    const size_t tokens = tokenCounts[i], rest = accumulatedTokens - tokens;
    memcpy(together, start, 4 * width * accumulatedTokens);
    runAccumulate(checked, test, 0, width, 0, accumulatedRows, 0, tokens, together);
    describe("width %zu, %zu tokens, cut", width, tokens);
    expectSame(together, apart, width * tokens);
    expectSame(together + width * tokens, start + width * tokens, width * rest);
  }
  free(apart);
}

// Coefficients with zeros, tokens without any of the first rows and one without any row, and starts
// of minus zero, which added zeros would turn.
static void fillCase(AccumulateCase *test, float *start) {
  for (size_t i = 0; i < test->width * accumulatedTokens; i++)
    start[i] = i % 3 == 0 ? -0.0f : randomFloat(-1, 1);
  for (size_t r = 0; r < accumulatedRows; r++) {
    test->neurons[r] = (int32_t)(r + r / 10 * 3);
    for (size_t t = 0; t < accumulatedTokens; t++) {
      const float c = randomFloat(-1, 1);
      test->coefficients[t][r] = fabsf(c) < 0.3f || (t % 5 == 4 && r < 30) || t == 14 ? 0 : c;
    }
  }
}

static void compareAccumulate(const Tables *tables, const Format *format) {
  const CFlashKernels_Rows *reference = rowsOf(tables->reference, format);
  size_t width;
  beginPart("accumulate", format->name, 2e-6);
  for (size_t w = 0; (width = widthAt(format, w)) != SIZE_MAX; w++) {
    AccumulateCase test = {.width = width};
    const size_t size = width * accumulatedTokens, stride = rowBytes(format, width) + 1;
    float *start = allocate(4 * size), *found = allocate(4 * size), *expected = allocate(4 * size);
    float *values = allocate(4 * width);
    double *scale = allocate(8 * size);
    uint8_t *rows = allocate(stride * accumulatedRows + 8);
    fillCase(&test, start);
    for (size_t i = 0; i < size; i++)
      scale[i] = fabs((double)start[i]) + 1e-30;
    for (size_t r = 0; r < accumulatedRows; r++) {
      uint8_t *row = rows + width % 3 + r * stride;
      randomRow(format, width, row);
      test.rows[r] = row;
      reference->decodeRow(width, row, values);
      for (size_t t = 0; t < accumulatedTokens; t++)
        for (size_t i = 0; i < width; i++)
          scale[t * width + packedPlace(format, width, i)] +=
              fabs((double)test.coefficients[t][r] * (double)values[i]);
    }
    compareAccumulateCuts(rowsOf(tables->checked, format), format, &test, start, found);
    memcpy(expected, start, 4 * size);
    if (width > 0)
      runAccumulate(reference, &test, 0, width, 0, accumulatedRows, 0, accumulatedTokens, expected);
    describe("width %zu", width);
    for (size_t i = 0; i < size; i++)
      expectClose(found[i], expected[i], scale[i]);
    free(start), free(found), free(expected), free(values), free(scale), free(rows);
  }
}

static void compareUnpacking(const Tables *tables, const Format *format) {
  size_t width;
  beginPart("addUnpacked", format->name, 0);
  for (size_t w = 0; (width = widthAt(format, w)) != SIZE_MAX; w++) {
    float *x = allocate(4 * width), *found = allocate(4 * width), *expected = allocate(4 * width);
    randomFloats(x, width, -1, 1);
    randomFloats(found, width, -1, 1);
    memcpy(expected, found, 4 * width);
    rowsOf(tables->checked, format)->addUnpacked(width, x, found);
    for (size_t i = 0; i < width; i++)
      expected[i] += x[packedPlace(format, width, i)];
    describe("width %zu", width);
    expectSame(found, expected, width);
    free(x), free(found), free(expected);
  }
}

void compareRows(const Tables *tables) {
  for (size_t f = 0; f < formatCount; f++) {
    compareCodec(tables, &formats[f]);
    compareDot(tables, &formats[f]);
    if (formats[f].blockValues <= 32)
      compareBeside(tables, &formats[f]);
    compareAccumulate(tables, &formats[f]);
    compareUnpacking(tables, &formats[f]);
  }
}
