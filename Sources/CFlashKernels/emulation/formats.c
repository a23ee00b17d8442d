// The formats of rows that are compared: their sizes, and rows of random bytes in each.
#include "formats.h"
#include "compare.h"
#include <string.h>

const Format formats[] = {
    {"f32", offsetof(CFlashKernels_Table, f32), 1, 4},
    {"f16", offsetof(CFlashKernels_Table, f16), 1, 2},
    {"bf16", offsetof(CFlashKernels_Table, bf16), 1, 2},
    {"q8_0", offsetof(CFlashKernels_Table, q8_0), 32, 34},
    {"q4_0", offsetof(CFlashKernels_Table, q4_0), 32, 18},
    {"mxfp4", offsetof(CFlashKernels_Table, mxfp4), 32, 17},
    {"q4_K", offsetof(CFlashKernels_Table, q4_K), 256, 144},
    {"q6_K", offsetof(CFlashKernels_Table, q6_K), 256, 210},
};

const size_t formatCount = sizeof formats / sizeof *formats;

const CFlashKernels_Rows *rowsOf(const CFlashKernels_Table *table, const Format *format) {
  return (const CFlashKernels_Rows *)(const void *)((const char *)table + format->place);
}

static int isQ6K(const Format *format) { return strcmp(format->name, "q6_K") == 0; }

size_t rowBytes(const Format *format, size_t width) {
  return width / format->blockValues * format->blockBytes;
}

size_t activationBytes(const Format *format, size_t width) {
  return format->blockValues == 1 ? 4 * width : width / 32 * (isQ6K(format) ? 44 : 40);
}

// All small widths, for the quantized formats all up to beyond two groups, and a few of real size.
size_t widthAt(const Format *format, size_t i) {
  const size_t small = format->blockValues == 1 ? 131 : format->blockValues == 32 ? 34 : 6;
  static const size_t large[] = {4096, 4128, 4131, 11008};
  if (i < small)
    return i * format->blockValues;
  i -= small;
  if (i < 4)
    return large[i] / format->blockValues * format->blockValues;
  return SIZE_MAX;
}

// The f16 scales of super-blocks, which begin those of each group of two.
static void randomSuperScales(const Format *format, size_t width, uint8_t *row) {
  const size_t halves = isQ6K(format) ? 1 : 2, scaleBytes = isQ6K(format) ? 36 : 32;
  for (size_t super = 0; super < width / 256; super++)
    for (size_t i = 0; i < halves; i++) {
      const uint16_t half = randomHalf();
      memcpy(row + super / 2 * scaleBytes + 2 * (super % 2 * halves + i), &half, 2);
    }
}

// Random bytes, but scales and values of moderate size, so that sums stay finite.
void randomRow(const Format *format, size_t width, uint8_t *row) {
  const size_t blocks = width / 32;
  for (size_t i = 0; i < rowBytes(format, width); i++)
    row[i] = (uint8_t)randomBits();
  if (format->blockValues == 256) {
    randomSuperScales(format, width, row);
    return;
  }
  for (size_t i = 0; i < (format->blockValues == 32 ? blocks : width); i++) {
    const float value = randomFloat(-1, 1);
    const uint16_t half = randomHalf();
    if (format->blockBytes == 4)
      memcpy(row + 4 * i, &value, 4);
    else if (format->blockBytes == 17)
      row[i] = randomPower();
    else if (strcmp(format->name, "bf16") == 0)
      memcpy(row + 2 * i, (const char *)&value + 2, 2); // little endian: the upper half
    else
      memcpy(row + 2 * i, &half, 2);
  }
}

// Where plain index i lies in an accumulator of packed order.
size_t packedPlace(const Format *format, size_t width, size_t i) {
  if (format->blockValues == 1)
    return i;
  const size_t group = i / 512, left = width / 32 - group * 16, lanes = left < 16 ? left : 16;
  return group * 512 + i % 32 * lanes + i / 32 % 16;
}
