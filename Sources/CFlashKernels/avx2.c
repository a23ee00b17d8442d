// AVX2, FMA and F16C: 8 lanes; a group of 16 blocks is two vectors wide.
#if defined(__x86_64__)
#include "common.h"
#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { LANES = 8 };
typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef uint32_t vu __attribute__((vector_size(32)));

INLINE __m256i first(size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf vf_set(float x) { return _mm256_set1_ps(x); }
INLINE vi vi_set(int32_t x) { return (vi)_mm256_set1_epi32(x); }
INLINE vf vf_load(const float *p, size_t n) {
  return n == LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first(n));
}
INLINE void vf_store(float *p, vf v, size_t n) {
  if (n == LANES)
    _mm256_storeu_ps(p, v);
  else
    _mm256_maskstore_ps(p, first(n), v);
}
INLINE __m128i load16s(const void *p, size_t n) {
  if (n == LANES)
    return _mm_loadu_si128(p);
  uint16_t values[LANES] = {0};
  memcpy(values, p, 2 * n);
  return _mm_loadu_si128((const __m128i *)values);
}
INLINE vf vf_load_f16(const void *p, size_t n) { return _mm256_cvtph_ps(load16s(p, n)); }
INLINE vf vf_load_bf16(const void *p, size_t n) {
  return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16s(p, n)), 16);
}
INLINE vf vf_load_i8(const void *p, size_t n) {
  uint64_t bytes = 0;
  memcpy(&bytes, p, n);
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)bytes)));
}
INLINE void store16s(void *p, __m128i v, size_t n) {
  if (n == LANES)
    _mm_storeu_si128(p, v);
  else
    memcpy(p, &v, 2 * n);
}
INLINE void vf_store_f16(void *p, vf v, size_t n) {
  store16s(p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), n);
}
INLINE void vi_store16(void *p, vi v, size_t n) {
  __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xffff));
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0xd8);
  store16s(p, _mm256_castsi256_si128(packed), n);
}
INLINE vi vi_load_u8(const void *p, size_t n) {
  uint64_t bytes = 0;
  memcpy(&bytes, p, n);
  return (vi)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes));
}
INLINE vi vi_load(const void *p, size_t n) {
  return (vi)(n == LANES ? _mm256_loadu_si256(p) : _mm256_maskload_epi32(p, first(n)));
}
INLINE void vi_store(void *p, vi v, size_t n) {
  if (n == LANES)
    _mm256_storeu_si256(p, (__m256i)v);
  else
    _mm256_maskstore_epi32(p, first(n), (__m256i)v);
}
INLINE vi vi_bits(vf v) { return (vi)v; }
INLINE vf vf_bits(vi v) { return (vf)v; }
INLINE vf vf_from_vi(vi v) { return _mm256_cvtepi32_ps((__m256i)v); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf vf_whereGreater(vf a, vf b, vf x, vf y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
INLINE vi vi_whereGreater(vi a, vi b, vi x, vi y) {
  __m256i greater = _mm256_cmpgt_epi32((__m256i)a, (__m256i)b);
  return (vi)_mm256_blendv_epi8((__m256i)y, (__m256i)x, greater);
}
INLINE vi vi_max(vi a, vi b) { return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b); }
INLINE vi vi_select(vi bits, vi a, vi b) {
  return (vi)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)bits);
}
INLINE vf vf_round(vf v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE vf vf_trunc(vf v) { return _mm256_round_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
INLINE vf vf_sqrt(vf v) { return _mm256_sqrt_ps(v); }
INLINE vi vi_round(vf v) { return (vi)_mm256_cvtps_epi32(v); }
INLINE float vf_sum(vf v) {
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
INLINE float vf_highest(vf v) {
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

INLINE __m256i addPairs(vi sum, __m256i pairs) {
  return _mm256_add_epi32((__m256i)sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
// Unsigned bytes below 32, times signed bytes: two products of two fit 16 bits with room to spare;
// of bytes below 64 one does.
INLINE vi vi_dotNibbles(vi sum, vi low, vi x0, vi high, vi x1) {
  __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16((__m256i)low, (__m256i)x0),
                                   _mm256_maddubs_epi16((__m256i)high, (__m256i)x1));
  return (vi)addPairs(sum, pairs);
}
// Bytes below 16 through the table.
INLINE vi vi_fourBitFloats(vi codes) {
  __m128i table = _mm_loadu_si128((const __m128i *)(const void *)fourBitFloats);
  return (vi)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), (__m256i)codes);
}
INLINE vi vi_dotSmall(vi sum, vi w, vi x) {
  return (vi)addPairs(sum, _mm256_maddubs_epi16((__m256i)w, (__m256i)x));
}
// 255 * 127 * 2 would saturate 16 bits, 128 * 127 * 2 does not: the weight's sign goes to x.
enum { dotsWholeBytes = 0 };
INLINE vi vi_startBytes(vi offset) { return (void)offset, vi_set(0); }
INLINE vi vi_dotBytes(vi sum, vi w, vi x) {
  __m256i value = _mm256_xor_si256((__m256i)w, _mm256_set1_epi8((char)0x80));
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(value),
                                       _mm256_sign_epi8((__m256i)x, value));
  return (vi)addPairs(sum, pairs);
}
INLINE vf vf_nibble(vi v, int m) {
  __m256i q = _mm256_and_si256(_mm256_srli_epi32((__m256i)v, 4 * m), _mm256_set1_epi32(15));
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(q, _mm256_set1_epi32(8)));
}
INLINE float loadHalf(const void *p) { return _cvtsh_ss(load16(p)); }
// The f16s of the lanes' super-block: a vector has one.
INLINE void vf_loadSuper(const uint8_t *p, int count, size_t n, vf *to) {
  (void)n;
  for (int i = 0; i < count; i++)
    to[i] = vf_set(loadHalf(p + 2 * i));
}
// In the low bits of each lane its nibble of the super-block's 32 bits, others above it.
INLINE vi vi_nibbles(const uint8_t *p, size_t lane, size_t n) {
  (void)lane, (void)n;
  return (vi)_mm256_srlv_epi32(_mm256_set1_epi32((int)load32(p)),
                               _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
}
INLINE void prefetch(const void *p) { _mm_prefetch(p, _MM_HINT_T1); }

#define TABLE CFlashKernels_avx2Table
#include "template.h"

#pragma clang attribute pop
#endif
