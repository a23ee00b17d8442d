// The vector parts of a layer.
#include "compare.h"
#include <math.h>
#include <string.h>

enum { mostValues = 131 };

static float x[2 * mostValues], y[2 * mostValues], bias[mostValues];
static float found[2 * mostValues], expected[2 * mostValues];

// To within rounding of the largest value, or of `scale` where that is larger.
static void expectAllWithin(double scale, size_t count) {
  for (size_t i = 0; i < count; i++)
    scale = fabs((double)expected[i]) > scale ? fabs((double)expected[i]) : scale;
  for (size_t i = 0; i < count; i++)
    expectClose(found[i], expected[i], scale);
}

static void expectAllClose(size_t count) { expectAllWithin(1e-30, count); }

static void compareExponential(const CFlashKernels_Vectors *checked,
                               const CFlashKernels_Vectors *reference) {
  static const float limits[] = {0, -0.0f, -110, 100, INFINITY, -INFINITY, NAN};
  beginPart("exponential", "", 4e-7);
  for (int step = -104000; step <= 89000; step += 7) {
    const float at = (float)step / 1000;
    const double value = reference->exponential(at);
    describe("exp(%g)", (double)at);
    expectClose(checked->exponential(at), value, value + 1e-38);
  }
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    describe("exp(%g)", (double)limits[i]);
    expectClose(checked->exponential(limits[i]), reference->exponential(limits[i]), 1);
  }
}

static void compareSums(const CFlashKernels_Vectors *checked,
                        const CFlashKernels_Vectors *reference) {
  beginPart("softmaxPart, norms", "", 2e-6);
  for (size_t count = 1; count < mostValues; count++) {
    float highest, most;
    describe("%zu values", count);
    randomFloats(x, count, -20, -3);
    memcpy(found, x, sizeof found);
    memcpy(expected, x, sizeof expected);
    const float sum = checked->softmaxPart(found, count, &highest);
    const float total = reference->softmaxPart(expected, count, &most);
    expectClose(highest, most, 0);
    expectClose(sum, total, total);
    expectAllClose(count);
    randomFloats(x, count, -1, 1);
    randomFloats(y, count, -1, 1);
    randomFloats(bias, count, -1, 1);
    checked->rmsNorm(x, count, y, 1e-5f, found);
    reference->rmsNorm(x, count, y, 1e-5f, expected);
    expectAllClose(count);
    // Of one value or two alike, what is normed is rounding alone.
    for (int hasBias = 0; hasBias < 2 && count > 4; hasBias++) {
      checked->layerNorm(x, count, y, hasBias ? bias : NULL, 1e-5f, found);
      reference->layerNorm(x, count, y, hasBias ? bias : NULL, 1e-5f, expected);
      expectAllClose(count);
    }
  }
}

static void compareElements(const CFlashKernels_Vectors *checked,
                            const CFlashKernels_Vectors *reference) {
  beginPart("element by element", "", 1e-6);
  for (size_t count = 0; count < mostValues; count++) {
    describe("%zu values", count);
    randomFloats(x, count, -9, 9);
    randomFloats(y, 2 * count, -1, 1);
    memcpy(found, y, sizeof found);
    memcpy(expected, y, sizeof expected);
    checked->add(x, found, count);
    reference->add(x, expected, count);
    expectSame(found, expected, mostValues);
    memcpy(found, x, sizeof found);
    memcpy(expected, x, sizeof expected);
    checked->multiply(y, found, count);
    reference->multiply(y, expected, count);
    expectSame(found, expected, mostValues);
    checked->scale(found, 0.3f, count);
    reference->scale(expected, 0.3f, count);
    expectSame(found, expected, mostValues);
    for (int part = 0; part < 2; part++) {
      memcpy(found, x, sizeof found);
      memcpy(expected, x, sizeof expected);
      checked->relu(found, 0.01f * (float)part, count);
      reference->relu(expected, 0.01f * (float)part, count);
      expectSame(found, expected, mostValues);
    }
    memcpy(found, x, sizeof found);
    memcpy(expected, x, sizeof expected);
    checked->reluSquared(found, count);
    reference->reluSquared(expected, count);
    expectSame(found, expected, mostValues);
    checked->reluGate(x, y, count, found);
    reference->reluGate(x, y, count, expected);
    expectSame(found, expected, count);
    memcpy(found, x, sizeof found);
    memcpy(expected, x, sizeof expected);
    checked->silu(found, count);
    reference->silu(expected, count);
    expectAllClose(count);
    memcpy(found, x, sizeof found);
    memcpy(expected, x, sizeof expected);
    // Far below zero a GELU is e to the power of -x^2, as exact as that power was rounded.
    checked->gelu(found, count);
    reference->gelu(expected, count);
    expectAllWithin(1, count);
    memcpy(found, x, sizeof found);
    memcpy(expected, x, sizeof expected);
    checked->geluTanh(found, count);
    reference->geluTanh(expected, count);
    expectAllWithin(1, count);
    memcpy(found, x, sizeof found);
    memcpy(expected, x, sizeof expected);
    checked->cap(found, 5, count);
    reference->cap(expected, 5, count);
    expectAllClose(count);
    checked->siluGate(x, y, count, found);
    reference->siluGate(x, y, count, expected);
    expectAllClose(count);
    checked->clampedSwiGLU(x, y, count, found);
    reference->clampedSwiGLU(x, y, count, expected);
    expectAllClose(count);
    memcpy(found, y, sizeof found);
    memcpy(expected, y, sizeof expected);
    checked->rotate(found, x, x + mostValues, count);
    reference->rotate(expected, x, x + mostValues, count);
    expectAllClose(2 * count);
  }
}

static void compareLimits(const CFlashKernels_Vectors *checked,
                          const CFlashKernels_Vectors *reference) {
  static const float gate[] = {-1, 0, -0.0f, NAN, 2}, up[] = {INFINITY, NAN, INFINITY, 1, NAN};
  beginPart("NaN and infinity", "", 0);
  for (size_t count = 0; count <= 5; count++) {
    describe("%zu values", count);
    checked->reluGate(gate, up, count, found);
    reference->reluGate(gate, up, count, expected);
    for (size_t i = 0; i < count; i++)
      expectClose(found[i], expected[i], 1);
    memcpy(found, gate, sizeof gate);
    checked->relu(found, 0, count);
    expectClose(found[3], NAN, 1);
    expectClose((double)checked->countNonFinite(up, count),
                (double)reference->countNonFinite(up, count), 1);
  }
}

void compareVectors(const Tables *tables) {
  compareExponential(&tables->checked->vectors, &tables->reference->vectors);
  compareSums(&tables->checked->vectors, &tables->reference->vectors);
  compareElements(&tables->checked->vectors, &tables->reference->vectors);
  compareLimits(&tables->checked->vectors, &tables->reference->vectors);
}
