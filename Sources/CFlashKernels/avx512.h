// Primitives of AVX-512, 16 lanes: a group of 16 blocks is one vector wide. To be included under a
// target attribute that allows F, BW, VL, DQ and VNNI.
#include <immintrin.h>

enum { LANES = 16 };
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));

INLINE __mmask16 first(size_t n) { return (__mmask16)((1u << n) - 1); }
INLINE vf vf_set(float x) { return _mm512_set1_ps(x); }
INLINE vi vi_set(int32_t x) { return (vi)_mm512_set1_epi32(x); }
INLINE vf vf_load(const float *p, size_t n) {
  return n == LANES ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first(n), p);
}
INLINE void vf_store(float *p, vf v, size_t n) {
  if (n == LANES)
    _mm512_storeu_ps(p, v);
  else
    _mm512_mask_storeu_ps(p, first(n), v);
}
INLINE __m256i load16s(const void *p, size_t n) {
  return n == LANES ? _mm256_loadu_si256(p) : _mm256_maskz_loadu_epi16(first(n), p);
}
INLINE vf vf_load_f16(const void *p, size_t n) { return _mm512_cvtph_ps(load16s(p, n)); }
INLINE vf vf_load_bf16(const void *p, size_t n) {
  return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(load16s(p, n)), 16);
}
INLINE vf vf_load_i8(const void *p, size_t n) {
  __m128i v = n == LANES ? _mm_loadu_si128(p) : _mm_maskz_loadu_epi8(first(n), p);
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(v));
}
INLINE void store16s(void *p, __m256i v, size_t n) {
  if (n == LANES)
    _mm256_storeu_si256(p, v);
  else
    _mm256_mask_storeu_epi16(p, first(n), v);
}
INLINE void vf_store_f16(void *p, vf v, size_t n) {
  store16s(p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), n);
}
INLINE void vi_store16(void *p, vi v, size_t n) {
  store16s(p, _mm512_cvtepi32_epi16((__m512i)v), n);
}
INLINE vi vi_load_u8(const void *p, size_t n) {
  return (vi)_mm512_cvtepu8_epi32(n == LANES ? _mm_loadu_si128(p)
                                             : _mm_maskz_loadu_epi8(first(n), p));
}
INLINE vi vi_load(const void *p, size_t n) {
  return (vi)(n == LANES ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32(first(n), p));
}
INLINE void vi_store(void *p, vi v, size_t n) {
  if (n == LANES)
    _mm512_storeu_si512(p, (__m512i)v);
  else
    _mm512_mask_storeu_epi32(p, first(n), (__m512i)v);
}
INLINE vi vi_bits(vf v) { return (vi)v; }
INLINE vf vf_bits(vi v) { return (vf)v; }
INLINE vf vf_from_vi(vi v) { return _mm512_cvtepi32_ps((__m512i)v); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf vf_whereGreater(vf a, vf b, vf x, vf y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}
INLINE vi vi_whereGreater(vi a, vi b, vi x, vi y) {
  __mmask16 greater = _mm512_cmpgt_epi32_mask((__m512i)a, (__m512i)b);
  return (vi)_mm512_mask_blend_epi32(greater, (__m512i)y, (__m512i)x);
}
INLINE vi vi_max(vi a, vi b) { return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b); }
INLINE vi vi_select(vi bits, vi a, vi b) {
  return (vi)_mm512_ternarylogic_epi32((__m512i)bits, (__m512i)a, (__m512i)b, 0xca);
}
INLINE vf vf_round(vf v) {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE vf vf_trunc(vf v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
INLINE vf vf_sqrt(vf v) { return _mm512_sqrt_ps(v); }
INLINE vi vi_round(vf v) { return (vi)_mm512_cvtps_epi32(v); }
INLINE float vf_sum(vf v) {
  __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
INLINE float vf_highest(vf v) {
  __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

// Unsigned bytes times signed bytes; the offset of 8 or 128 is in the start.
INLINE vi dotBytes(vi sum, vi w, vi x) {
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)x);
}
INLINE vi vi_dotNibbles(vi sum, vi low, vi x0, vi high, vi x1) {
  return dotBytes(dotBytes(sum, low, x0), high, x1);
}
INLINE vi vi_fourBitFloats(vi codes) {
  __m128i table = _mm_loadu_si128((const __m128i *)(const void *)fourBitFloats);
  return (vi)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), (__m512i)codes);
}
INLINE vi vi_dotSmall(vi sum, vi w, vi x) { return dotBytes(sum, w, x); }
// A byte of 255 times 127, four times, fits: nibbles need not be taken apart first.
enum { dotsWholeBytes = 1 };
INLINE vi vi_startBytes(vi offset) { return offset; }
INLINE vi vi_dotBytes(vi sum, vi w, vi x) { return dotBytes(sum, w, x); }
// The permutation looks at the low four bits only: no mask, no conversion.
INLINE vf vf_nibble(vi v, int m) {
  const __m512 values = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  return _mm512_permutexvar_ps(_mm512_srli_epi32((__m512i)v, (unsigned)(4 * m)), values);
}
INLINE float loadHalf(const void *p) { return _cvtsh_ss(load16(p)); }
// The f16s of two super-blocks, or of one and zeros: eight lanes each.
INLINE void vf_loadSuper(const uint8_t *p, int count, size_t n, vf *to) {
  const size_t bytes = (size_t)count * 2 * (n / superBlocks);
  __m128i halves = bytes == 8   ? _mm_loadl_epi64((const __m128i *)(const void *)p)
                   : bytes == 4 ? _mm_cvtsi32_si128((int)load32(p))
                                : _mm_cvtsi32_si128(load16(p));
  __m512 values = _mm512_castps128_ps512(_mm_cvtph_ps(halves));
  for (int i = 0; i < count; i++) {
    __m512i high = _mm512_set1_epi32(count + i);
    to[i] = _mm512_permutexvar_ps(_mm512_mask_set1_epi32(high, 0x00ff, i), values);
  }
}
// In the low bits of each lane its nibble of its super-block's 32 bits, others above it.
INLINE vi vi_nibbles(const uint8_t *p, size_t lane, size_t n) {
  (void)lane;
  __m128i words = n == LANES ? _mm_loadl_epi64((const __m128i *)(const void *)p)
                             : _mm_cvtsi32_si128((int)load32(p));
  const __m512i place = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const __m512i shift =
      _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  return (vi)_mm512_srlv_epi32(_mm512_permutexvar_epi32(place, _mm512_castsi128_si512(words)),
                               shift);
}
INLINE void prefetch(const void *p) { _mm_prefetch(p, _MM_HINT_T1); }
