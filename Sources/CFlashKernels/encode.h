// From f32 to rows. The same bytes on every instruction set: only operations that IEEE 754 defines
// to the last bit, none of them fused, and per block in one order.

// Half away from zero, as C's roundf: the addend is the float below one half, so that
// 0.49999997 is not carried over.
INLINE vf roundAway(vf v) {
  vi half = vi_set(0x3effffff) | (vi_bits(v) & vi_set((int32_t)0x80000000));
  return vf_trunc(v + vf_bits(half));
}

INLINE vf throughHalf(vf v) {
  uint16_t halves[LANES];
  vf_store_f16(halves, v, LANES);
  return vf_load_f16(halves, LANES);
}

INLINE vi roundToBfloat(vf v) {
  vi bits = vi_bits(v), magnitude = bits & vi_set(0x7fffffff);
  vi odd = vi_shiftRight(bits, 16) & vi_set(1);
  vi rounded = vi_shiftRight(bits + vi_set(0x7fff) + odd, 16);
  vi quiet = vi_shiftRight(bits, 16) | vi_set(64);
  return vi_whereGreater(magnitude, vi_set(0x7f800000), quiet, rounded);
}

INLINE void encodeValues(Format format, const float *values, uint8_t *row, size_t i, size_t n) {
  vf v = vf_load(values + i, n);
  if (format == F32)
    vf_store((float *)(void *)row + i, v, n);
  else if (format == F16)
    vf_store_f16(row + 2 * i, v, n);
  else
    vi_store16(row + 2 * i, roundToBfloat(v), n);
}

// GGML's quantize_row_q8_0: scale = largest magnitude / 127.
INLINE void encodeQ8(const Transposed *x, size_t lanes, size_t lane, uint8_t *scales,
                     uint8_t *pieces) {
  const size_t n = smaller(LANES, lanes - lane);
  vf largest = largestMagnitude(x, lane);
  vf scale = largest / vf_set(127);
  vf inverse = vf_whereGreater(scale, vf_set(0), vf_set(1) / scale, vf_set(0));
  vf_store_f16(scales + 2 * lane, scale, n);
  for (size_t k = 0; k < 8; k++) {
    vi q[4];
    UNROLL for (size_t b = 0; b < 4; b++) {
      vf v = vf_load(&x->at[4 * k + b][lane], LANES);
      q[b] = vi_round(within(roundAway(v * inverse), 127)) + vi_set(128);
    }
    vi_store(pieces + 4 * (k * lanes + lane), packBytes(q[0], q[1], q[2], q[3]), n);
  }
}

// A candidate for the scale of a q4_0 block: codes are x * inverse rounded, and the scale that fits
// them best in least squares is rounded to f16, as it will be stored.
typedef struct {
  vf inverse, scale;
  vf gain; // sum of x^2 minus the squared error: larger is better
} Fit;

INLINE vf codeQ4(vf x, vf inverse) {
  return vf_min(vf_max(vf_round(x * inverse), vf_set(-8)), vf_set(7));
}

INLINE Fit betterFit(const Transposed *x, size_t lane, vf inverse, Fit best) {
  vf xq = vf_set(0), qq = vf_set(0);
  UNROLL for (size_t e = 0; e < blockValues; e++) {
    vf v = vf_load(&x->at[e][lane], LANES), q = codeQ4(v, inverse);
    xq = xq + v * q;
    qq = qq + q * q;
  }
  vf scale = throughHalf(vf_whereGreater(qq, vf_set(0), xq / qq, vf_set(0)));
  vf gain = scale * ((xq + xq) - scale * qq);
  return (Fit){.inverse = vf_whereGreater(gain, best.gain, inverse, best.inverse),
               .scale = vf_whereGreater(gain, best.gain, scale, best.scale),
               .gain = vf_whereGreater(gain, best.gain, gain, best.gain)};
}

// The scale of smallest squared error among those that put the largest value at -7.2 ... -8.8 steps
// (GGML's quantize_row_q4_0 takes -8; the search is that of its make_qx_quants), then refined.
INLINE void encodeQ4(const Transposed *x, size_t lanes, size_t lane, uint8_t *scales,
                     uint8_t *pieces) {
  const size_t n = smaller(LANES, lanes - lane);
  vf largest = vf_set(0), extreme = vf_set(0);
  for (size_t e = 0; e < blockValues; e++) {
    vf v = vf_load(&x->at[e][lane], LANES), magnitude = vf_abs(v);
    extreme = vf_whereGreater(magnitude, largest, v, extreme);
    largest = vf_max(magnitude, largest);
  }
  Fit fit = {vf_set(0), vf_set(0), vf_set(0)};
  for (int tenths = -88; tenths <= -72; tenths += 2) {
    vf steps = vf_set((float)tenths / 10);
    vf inverse = vf_whereGreater(largest, vf_set(0), steps / extreme, vf_set(0));
    fit = betterFit(x, lane, inverse, fit);
  }
  for (int pass = 0; pass < 2; pass++) {
    vf inverse = vf_whereGreater(vf_abs(fit.scale), vf_set(0), vf_set(1) / fit.scale, vf_set(0));
    fit = betterFit(x, lane, inverse, fit);
  }
  vf_store_f16(scales + 2 * lane, fit.scale, n);
  for (size_t k = 0; k < 4; k++) {
    vi q[4];
    UNROLL for (size_t b = 0; b < 4; b++) {
      vf low = codeQ4(vf_load(&x->at[4 * k + b][lane], LANES), fit.inverse);
      vf high = codeQ4(vf_load(&x->at[4 * k + b + 16][lane], LANES), fit.inverse);
      q[b] = vi_round(low) + vi_set(8) + vi_shiftLeft(vi_round(high) + vi_set(8), 4);
    }
    vi_store(pieces + 4 * (k * lanes + lane), packBytes(q[0], q[1], q[2], q[3]), n);
  }
}

// The scale's code for a block whose largest magnitude this is: floorf(log2f(largest)) + 125, and 0
// for zero. log2f rounds to an integer n where the logarithm is less than half a step of f32 below
// n: for the last `most` numbers below 2^n, that step times ln 2. At most what leaves the values of
// all codes finite.
INLINE uint8_t powerCode(float largest) {
  const uint32_t bits = bitsFromFloat(largest);
  const int n = (int)(bits >> 23) - 126;
  const uint32_t most = 0xb17217 >> (__builtin_clz((uint32_t)(n > 0 ? n - 1 : -n) | 1) - 7);
  const int code = (int)((bits + most) >> 23) - 2;
  return (uint8_t)(code < 0 || largest == 0 ? 0 : code > 252 ? 252 : code);
}

// GGML's quantize_row_mxfp4_ref, but for scales beyond those of e8m0, which it leaves undefined.
// The nearest code, of two the one nearer to zero.
INLINE vi codeMX4(vf x, vf scale) {
  static const float between[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
  vf magnitude = vf_abs(x), code = vf_set(0);
  UNROLL for (int i = 0; i < 7; i++)
    code = vf_whereGreater(magnitude, vf_set(between[i]) * scale, vf_set((float)(i + 1)), code);
  vi negative = vi_shiftRight(vi_bits(x), 28) & vi_set(8), whole = vi_round(code);
  return vi_whereGreater(whole, vi_set(0), whole | negative, whole);
}

INLINE void encodeMX4(const Transposed *x, size_t lanes, size_t lane, uint8_t *scales,
                      uint8_t *pieces) {
  const size_t n = smaller(LANES, lanes - lane);
  vf largest = vf_set(0);
  for (size_t e = 0; e < blockValues; e++)
    largest = vf_max(vf_abs(vf_load(&x->at[e][lane], LANES)), largest);
  float most[LANES];
  vf_store(most, largest, LANES);
  for (size_t i = 0; i < n; i++)
    scales[lane + i] = powerCode(most[i]);
  const vf scale = blockScales(MXFP4, scales, 0, lanes, lane, n).scale;
  for (size_t k = 0; k < 4; k++) {
    vi q[4];
    UNROLL for (size_t b = 0; b < 4; b++) {
      vi low = codeMX4(vf_load(&x->at[4 * k + b][lane], LANES), scale);
      vi high = codeMX4(vf_load(&x->at[4 * k + b + 16][lane], LANES), scale);
      q[b] = low | vi_shiftLeft(high, 4);
    }
    vi_store(pieces + 4 * (k * lanes + lane), packBytes(q[0], q[1], q[2], q[3]), n);
  }
}

INLINE void encodeRow(Format format, size_t width, const float *values, uint8_t *row) {
  if (!isQuantized(format)) {
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
      encodeValues(format, values, row, i, LANES);
    if (i < width)
      encodeValues(format, values, row, i, width - i);
    return;
  }
  const size_t blocks = width / blockValues;
  for (size_t group = 0; group < groupCount(blocks); group++) {
    const size_t lanes = lanesOfGroup(blocks, group);
    uint8_t *scales = row + scaleBytes(format, groupBlocks) * group;
    uint8_t *pieces = row + groupOffset(format, blocks, group);
    Transposed x;
    transpose(values + group * groupValues, lanes, &x);
    if (format == Q4_K)
      encodeQ4K(&x, group, lanes, row, pieces);
    else if (format == Q6_K)
      encodeQ6K(&x, group, lanes, row, pieces);
    else
      for (size_t lane = 0; lane < lanes; lane += LANES)
        if (format == Q8_0)
          encodeQ8(&x, lanes, lane, scales, pieces);
        else if (format == MXFP4)
          encodeMX4(&x, lanes, lane, scales, pieces);
        else
          encodeQ4(&x, lanes, lane, scales, pieces);
  }
}
