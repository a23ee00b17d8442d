// Primitives of 64-bit ARM's NEON, 4 lanes: a group of 16 blocks is four vectors wide. The file
// that includes this has defined USE_SDOT as 1, under a target attribute that allows it, or as 0;
// both give the same integers, hence the same bits everywhere.
#include <arm_neon.h>

enum { LANES = 4 };
typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vu;

INLINE vf vf_set(float x) { return vdupq_n_f32(x); }
INLINE vi vi_set(int32_t x) { return vdupq_n_s32(x); }
INLINE vf vf_load(const float *p, size_t n) {
  if (n == LANES)
    return vld1q_f32(p);
  float values[LANES] = {0};
  memcpy(values, p, n * sizeof *p);
  return vld1q_f32(values);
}
INLINE void vf_store(float *p, vf v, size_t n) {
  if (n == LANES)
    vst1q_f32(p, v);
  else
    memcpy(p, &v, n * sizeof *p);
}
INLINE uint16x4_t load16s(const void *p, size_t n) {
  uint16x4_t v = vdup_n_u16(0);
  memcpy(&v, p, n == LANES ? sizeof v : 2 * n);
  return v;
}
INLINE vf vf_load_f16(const void *p, size_t n) {
  return vcvt_f32_f16(vreinterpret_f16_u16(load16s(p, n)));
}
INLINE vf vf_load_bf16(const void *p, size_t n) {
  return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(load16s(p, n)), 16));
}
INLINE vf vf_load_i8(const void *p, size_t n) {
  uint32_t bytes = 0;
  memcpy(&bytes, p, n == LANES ? sizeof bytes : n);
  int16x8_t wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(bytes)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
INLINE void store16s(void *p, uint16x4_t v, size_t n) {
  memcpy(p, &v, n == LANES ? sizeof v : 2 * n);
}
INLINE void vf_store_f16(void *p, vf v, size_t n) {
  store16s(p, vreinterpret_u16_f16(vcvt_f16_f32(v)), n);
}
INLINE void vi_store16(void *p, vi v, size_t n) {
  store16s(p, vreinterpret_u16_s16(vmovn_s32(v)), n);
}
INLINE vi vi_load_u8(const void *p, size_t n) {
  uint32_t bytes = 0;
  memcpy(&bytes, p, n == LANES ? sizeof bytes : n);
  uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide)));
}
INLINE vi vi_load(const void *p, size_t n) {
  vi v = vi_set(0);
  memcpy(&v, p, n == LANES ? sizeof v : 4 * n);
  return v;
}
INLINE void vi_store(void *p, vi v, size_t n) { memcpy(p, &v, n == LANES ? sizeof v : 4 * n); }
INLINE vi vi_bits(vf v) { return vreinterpretq_s32_f32(v); }
INLINE vf vf_bits(vi v) { return vreinterpretq_f32_s32(v); }
INLINE vf vf_from_vi(vi v) { return vcvtq_f32_s32(v); }
INLINE vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
// Not fmax and fmin, which answer NaN where either is one: the other instruction sets answer b.
INLINE vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
INLINE vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
INLINE vf vf_whereGreater(vf a, vf b, vf x, vf y) { return vbslq_f32(vcgtq_f32(a, b), x, y); }
INLINE vi vi_whereGreater(vi a, vi b, vi x, vi y) { return vbslq_s32(vcgtq_s32(a, b), x, y); }
INLINE vi vi_max(vi a, vi b) { return vmaxq_s32(a, b); }
INLINE vi vi_select(vi bits, vi a, vi b) { return vbslq_s32(vreinterpretq_u32_s32(bits), a, b); }
INLINE vf vf_round(vf v) { return vrndnq_f32(v); }
INLINE vf vf_trunc(vf v) { return vrndq_f32(v); }
INLINE vf vf_sqrt(vf v) { return vsqrtq_f32(v); }
INLINE vi vi_round(vf v) { return vcvtnq_s32_f32(v); }
INLINE float vf_sum(vf v) {
  float32x2_t b = vadd_f32(vget_low_f32(v), vget_high_f32(v));
  return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}
INLINE float vf_highest(vf v) {
  vf b = vf_max(v, vextq_f32(v, v, 2));
  return vgetq_lane_f32(vf_max(b, vextq_f32(b, b, 1)), 0);
}

INLINE int8x16_t bytesOf(vi v) { return vreinterpretq_s8_s32(v); }
// Bytes below 16 through the table.
INLINE vi vi_fourBitFloats(vi codes) {
  const uint8x16_t table = vld1q_u8(fourBitFloats);
  return vreinterpretq_s32_u8(vqtbl1q_u8(table, vreinterpretq_u8_s32(codes)));
}
#if USE_SDOT
INLINE vi dotBytes(vi sum, int8x16_t w, int8x16_t x) { return vdotq_s32(sum, w, x); }
INLINE vi vi_dotNibbles(vi sum, vi low, vi x0, vi high, vi x1) {
  return dotBytes(dotBytes(sum, bytesOf(low), bytesOf(x0)), bytesOf(high), bytesOf(x1));
}
#else
// Products of bytes 0 ..< 8 and 8 ..< 16, of which pairs and then pairs of pairs are neighbours. A
// pair fits 16 bits: 128 * 127 * 2 in magnitude at most.
INLINE vi addPairs(vi sum, int16x8_t first, int16x8_t second) {
  return vpadalq_s16(sum, vpaddq_s16(first, second));
}
INLINE vi dotBytes(vi sum, int8x16_t w, int8x16_t x) {
  return addPairs(sum, vmull_s8(vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x));
}
// Below 32, four products fit too.
INLINE vi vi_dotNibbles(vi sum, vi low, vi x0, vi high, vi x1) {
  int8x16_t w0 = bytesOf(low), w1 = bytesOf(high), a = bytesOf(x0), b = bytesOf(x1);
  int16x8_t first = vmull_s8(vget_low_s8(w0), vget_low_s8(a));
  int16x8_t second = vmull_high_s8(w0, a);
  return addPairs(sum, vmlal_s8(first, vget_low_s8(w1), vget_low_s8(b)),
                  vmlal_high_s8(second, w1, b));
}
#endif
// Signed times signed: the stored 128 more is taken off the weight, not out of the start.
INLINE vi vi_dotSmall(vi sum, vi w, vi x) { return dotBytes(sum, bytesOf(w), bytesOf(x)); }
enum { dotsWholeBytes = 0 };
INLINE vi vi_startBytes(vi offset) { return (void)offset, vi_set(0); }
INLINE vi vi_dotBytes(vi sum, vi w, vi x) {
  return dotBytes(sum, veorq_s8(bytesOf(w), vdupq_n_s8((int8_t)0x80)), bytesOf(x));
}
INLINE vf vf_nibble(vi v, int m) {
  uint32x4_t q = vandq_u32(vshlq_u32(vreinterpretq_u32_s32(v), vi_set(-4 * m)), vdupq_n_u32(15));
  return vcvtq_f32_s32(vreinterpretq_s32_u32(q) - vi_set(8));
}
INLINE float loadHalf(const void *p) {
  __fp16 half;
  memcpy(&half, p, sizeof half);
  return (float)half;
}
// The f16s of the lanes' super-block: a vector has one.
INLINE void vf_loadSuper(const uint8_t *p, int count, size_t n, vf *to) {
  (void)n;
  for (int i = 0; i < count; i++)
    to[i] = vf_set(loadHalf(p + 2 * i));
}
// In the low bits of each lane its nibble of the super-block's 32 bits, others above it.
INLINE vi vi_nibbles(const uint8_t *p, size_t lane, size_t n) {
  (void)n;
  const vi shift = {0, -4, -8, -12};
  const uint32_t bits = load32(p) >> (4 * (lane % superBlocks));
  return vreinterpretq_s32_u32(vshlq_u32(vdupq_n_u32(bits), shift));
}
INLINE void prefetch(const void *p) { __builtin_prefetch(p, 0, 2); }
