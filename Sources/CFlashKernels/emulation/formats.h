// The formats of rows that are compared: where their functions are, their bytes, random rows.
#ifndef FORMATS_H
#define FORMATS_H

#include "CFlashKernels.h"
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name;
  size_t place; // in CFlashKernels_Table
  size_t blockValues, blockBytes;
} Format;

extern const Format formats[];
extern const size_t formatCount;

const CFlashKernels_Rows *rowsOf(const CFlashKernels_Table *table, const Format *format);
size_t rowBytes(const Format *format, size_t width);
size_t activationBytes(const Format *format, size_t width);
// The i-th width to compare; SIZE_MAX beyond the last.
size_t widthAt(const Format *format, size_t i);
void randomRow(const Format *format, size_t width, uint8_t *row);
// Where plain index i lies in an accumulator of packed order.
size_t packedPlace(const Format *format, size_t width, size_t i);

#endif
