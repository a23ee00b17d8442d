// What the files of this target share: unaligned access and f16 in integer arithmetic.
#ifndef CFLASHKERNELS_COMMON_H
#define CFLASHKERNELS_COMMON_H

#include "CFlashKernels.h"
#include <string.h>

extern const CFlashKernels_Table CFlashKernels_scalarTable;
extern const CFlashKernels_Table CFlashKernels_avx2Table;
extern const CFlashKernels_Table CFlashKernels_avx512Table;
extern const CFlashKernels_Table CFlashKernels_neonTable;
extern const CFlashKernels_Table CFlashKernels_neonDotTable;

// What amx.c and amx_emulated.c have of their own.
void CFlashKernels_amxDotQ8_0(const CFlashKernels_Dot *);
void CFlashKernels_amxDotQ4_0(const CFlashKernels_Dot *);
void CFlashKernels_amxDotMXFP4(const CFlashKernels_Dot *);
void CFlashKernels_amxDotQ4_K(const CFlashKernels_Dot *);
void CFlashKernels_amxDotQ6_K(const CFlashKernels_Dot *);
void CFlashKernels_emulatedDotQ8_0(const CFlashKernels_Dot *);
void CFlashKernels_emulatedDotQ4_0(const CFlashKernels_Dot *);
void CFlashKernels_emulatedDotMXFP4(const CFlashKernels_Dot *);
void CFlashKernels_emulatedDotQ4_K(const CFlashKernels_Dot *);
void CFlashKernels_emulatedDotQ6_K(const CFlashKernels_Dot *);
void CFlashKernels_amxAccumulateQ8_0(const CFlashKernels_Accumulate *);
void CFlashKernels_amxAccumulateQ4_0(const CFlashKernels_Accumulate *);
void CFlashKernels_amxAccumulateMXFP4(const CFlashKernels_Accumulate *);
void CFlashKernels_amxAccumulateQ4_K(const CFlashKernels_Accumulate *);
void CFlashKernels_amxAccumulateQ6_K(const CFlashKernels_Accumulate *);
void CFlashKernels_emulatedAccumulateQ8_0(const CFlashKernels_Accumulate *);
void CFlashKernels_emulatedAccumulateQ4_0(const CFlashKernels_Accumulate *);
void CFlashKernels_emulatedAccumulateMXFP4(const CFlashKernels_Accumulate *);
void CFlashKernels_emulatedAccumulateQ4_K(const CFlashKernels_Accumulate *);
void CFlashKernels_emulatedAccumulateQ6_K(const CFlashKernels_Accumulate *);

// The operand of LDTILECFG.
typedef struct {
  uint8_t palette, startRow, reserved[14];
  uint16_t rowBytes[16];
  uint8_t rows[16];
} CFlashKernels_TileConfiguration;

#define INLINE static inline __attribute__((always_inline, unused))
// Loops over these are unrolled, so that arrays of accumulators live in registers.
#define UNROLL _Pragma("clang loop unroll(full)")

enum { blockValues = 32, groupBlocks = 16, groupValues = 512, lineBytes = 64 };
// Blocks of 32 values that share the f16 scales of a q4_K or q6_K super-block.
enum { superBlocks = 8 };
enum { neuronGroup = CFlashKernels_neuronGroup };

typedef enum { F32, F16, BF16, Q8_0, Q4_0, MXFP4, Q4_K, Q6_K, KeyValueQ8_0 } Format;

// What mxfp4's codes stand for, doubled, and 16 more, so that no byte is negative (OCP
// Microscaling Formats: E2M1, 0, 0.5, 1, 1.5, 2, 3, 4, 6 and the same below zero).
static const uint8_t fourBitFloats[16] __attribute__((unused)) = {
    16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

INLINE uint16_t load16(const void *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE uint32_t load32(const void *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE float floatFromBits(uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

INLINE uint32_t bitsFromFloat(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

INLINE float floatFromHalf(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
  if (rest >= 0x0f800000) // infinity, or NaN made quiet as the hardware does
    return floatFromBits(sign | 0x70000000 | rest | (rest > 0x0f800000 ? 0x00400000 : 0));
  // 2^112 moves the exponent's bias from 15 to 127, subnormals included, exactly.
  return floatFromBits(sign | bitsFromFloat(floatFromBits(rest) * 0x1p112f));
}

// Round to nearest even; a NaN keeps its sign and upper bits and becomes quiet, as in hardware.
INLINE uint16_t halfFromFloat(float v) {
  uint32_t bits = bitsFromFloat(v), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return (uint16_t)(sign | 0x7e00 | ((magnitude >> 13) & 0x1ff));
  if (magnitude >= 0x477ff000) // rounds to 2^16 or more
    return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) // subnormal: the addition aligns and rounds
    return (uint16_t)(sign | (bitsFromFloat(floatFromBits(magnitude) + 0.5f) - 0x3f000000));
  return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13));
}

#endif
