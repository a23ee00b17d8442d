// Portable C, one value at a time: for any CPU, and the reference of the other files.
#include "common.h"
#include <math.h>

#pragma STDC FP_CONTRACT OFF

enum { LANES = 1 };
typedef float vf;
typedef int32_t vi;
typedef uint32_t vu;

INLINE vf vf_set(float x) { return x; }
INLINE vi vi_set(int32_t x) { return x; }
INLINE vf vf_load(const float *p, size_t n) { return (void)n, floatFromBits(load32(p)); }
INLINE void vf_store(float *p, vf v, size_t n) { (void)n, memcpy(p, &v, sizeof v); }
INLINE vf vf_load_f16(const void *p, size_t n) { return (void)n, floatFromHalf(load16(p)); }
INLINE vf vf_load_bf16(const void *p, size_t n) {
  return (void)n, floatFromBits((uint32_t)load16(p) << 16);
}
INLINE vf vf_load_i8(const void *p, size_t n) { return (void)n, (float)*(const int8_t *)p; }
INLINE void vf_store_f16(void *p, vf v, size_t n) {
  (void)n;
  uint16_t h = halfFromFloat(v);
  memcpy(p, &h, sizeof h);
}
INLINE void vi_store16(void *p, vi v, size_t n) {
  (void)n;
  uint16_t h = (uint16_t)v;
  memcpy(p, &h, sizeof h);
}
INLINE vi vi_load_u8(const void *p, size_t n) { return (void)n, *(const uint8_t *)p; }
INLINE vi vi_load(const void *p, size_t n) { return (void)n, (vi)load32(p); }
INLINE void vi_store(void *p, vi v, size_t n) { (void)n, memcpy(p, &v, sizeof v); }
INLINE vi vi_bits(vf v) { return (vi)bitsFromFloat(v); }
INLINE vf vf_bits(vi v) { return floatFromBits((uint32_t)v); }
INLINE vf vf_from_vi(vi v) { return (float)v; }
INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
INLINE vf vf_max(vf a, vf b) { return a > b ? a : b; }
INLINE vf vf_min(vf a, vf b) { return a < b ? a : b; }
INLINE vf vf_whereGreater(vf a, vf b, vf x, vf y) { return a > b ? x : y; }
INLINE vi vi_whereGreater(vi a, vi b, vi x, vi y) { return a > b ? x : y; }
INLINE vi vi_max(vi a, vi b) { return a > b ? a : b; }
// Whole bytes: a where the bits are set, else b.
INLINE vi vi_select(vi bits, vi a, vi b) { return (a & bits) | (b & ~bits); }
// Nearest even, for |v| < 2^22: the sum has no room for a fraction.
INLINE vf vf_round(vf v) { return (v + 0x1.8p23f) - 0x1.8p23f; }
INLINE vf vf_trunc(vf v) { return __builtin_truncf(v); }
INLINE vf vf_sqrt(vf v) { return __builtin_sqrtf(v); }
INLINE vi vi_round(vf v) { return (vi)(bitsFromFloat(v + 0x1.8p23f) - 0x4b400000u); }
INLINE float vf_sum(vf v) { return v; }
INLINE float vf_highest(vf v) { return v; }

INLINE vi byteDot(vi sum, vi a, vi b, int offset) {
  for (int i = 0; i < 32; i += 8)
    sum += ((int32_t)((uint32_t)a >> i & 0xff) - offset) * (int8_t)((uint32_t)b >> i);
  return sum;
}
// Bytes below 16 through the table.
INLINE vi vi_fourBitFloats(vi codes) {
  uint32_t bytes = 0;
  for (int i = 0; i < 32; i += 8)
    bytes |= (uint32_t)fourBitFloats[(uint32_t)codes >> i & 0xff] << i;
  return (vi)bytes;
}
// Unsigned bytes below 32, times signed bytes; the format's offset is in the start.
INLINE vi vi_dotNibbles(vi sum, vi low, vi x0, vi high, vi x1) {
  return byteDot(byteDot(sum, low, x0, 0), high, x1, 0);
}
INLINE vi vi_dotSmall(vi sum, vi w, vi x) { return byteDot(sum, w, x, 0); }
enum { dotsWholeBytes = 0 };
INLINE vi vi_startBytes(vi offset) { return (void)offset, 0; }
INLINE vi vi_dotBytes(vi sum, vi w, vi x) { return byteDot(sum, w, x, 128); }
INLINE vf vf_nibble(vi v, int m) { return (float)((int32_t)((uint32_t)v >> (4 * m) & 15) - 8); }
INLINE float loadHalf(const void *p) { return floatFromHalf(load16(p)); }
INLINE void vf_loadSuper(const uint8_t *p, int count, size_t n, vf *to) {
  (void)n;
  for (int i = 0; i < count; i++)
    to[i] = loadHalf(p + 2 * i);
}
INLINE vi vi_nibbles(const uint8_t *p, size_t lane, size_t n) {
  return (void)n, (vi)(load32(p) >> (4 * (lane % superBlocks)));
}
INLINE void prefetch(const void *p) { __builtin_prefetch(p, 0, 2); }

#define TABLE CFlashKernels_scalarTable
#include "template.h"
