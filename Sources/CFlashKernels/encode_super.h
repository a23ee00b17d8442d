// GGML's quantize_row_q4_K_ref and quantize_row_q6_K_ref (ggml-quants.c), a block in each lane: all
// sums are chains in the order of the values, so that the bytes are those of GGML's portable C.
//
// Scales are searched block by block, then rounded to 6 or 8 bits of their super-block's; the codes
// are taken anew for the scales as stored.

// What a search has found for LANES blocks, or halves of them.
typedef struct {
  vf scale, minimum; // q6_K has no minimum
  // For blocks whose stored scale is zero: codes are (value - base) * inverse.
  vf inverse, base;
} SuperFit;

// The scales of a group of blocks; q6_K's first and second halves, q4_K's scales and what is
// subtracted.
typedef struct {
  _Alignas(64) float first[groupBlocks];
  _Alignas(64) float second[groupBlocks];
  _Alignas(64) int32_t codes[groupBlocks]; // q6_K: the bits of codes that are kept
} GroupScales;

INLINE vf codeWithin(vf v, float least, float most) {
  return vf_round(vf_min(vf_max(v, vf_set(least)), vf_set(most)));
}

INLINE vf valueAt(const Transposed *x, size_t lane, size_t e) {
  return vf_load(&x->at[e][lane], LANES);
}

// make_qkx2_quants for 4 bits: 21 candidates, each refined by least squares, weighed by the root of
// the mean square plus the value's magnitude.
INLINE SuperFit fitQ4K(const Transposed *x, size_t lane) {
  vf weight[blockValues], squares = vf_set(0), sumW = vf_set(0), sumX = vf_set(0);
  vf least = valueAt(x, lane, 0), most = least;
  for (size_t e = 0; e < blockValues; e++)
    squares = squares + valueAt(x, lane, e) * valueAt(x, lane, e);
  const vf average = vf_sqrt(squares / vf_set(blockValues));
  for (size_t e = 0; e < blockValues; e++) {
    vf v = valueAt(x, lane, e);
    weight[e] = average + vf_abs(v);
    least = vf_min(v, least);
    most = vf_max(v, most);
    sumW = sumW + weight[e];
    sumX = sumX + weight[e] * v;
  }
  least = vf_whereGreater(least, vf_set(0), vf_set(0), least);
  const vf first = least;
  SuperFit fit = {.minimum = least, .base = least, .inverse = vf_set(15) / (most - least)};
  fit.scale = vf_set(1) / fit.inverse;
  vf error = vf_set(0);
  for (size_t e = 0; e < blockValues; e++) {
    vf v = valueAt(x, lane, e), code = codeWithin(fit.inverse * (v - least), 0, 15);
    vf difference = fit.scale * code + least - v;
    error = error + weight[e] * (difference * difference);
  }
  for (int step = 0; step <= 20; step++) {
    const vf inverse = vf_set(-1.0f + 0.1f * (float)step + 15) / (most - fit.minimum);
    vf code[blockValues], sumL = vf_set(0), sumLL = vf_set(0), sumXL = vf_set(0);
    for (size_t e = 0; e < blockValues; e++) {
      vf v = valueAt(x, lane, e);
      code[e] = codeWithin(inverse * (v - fit.minimum), 0, 15);
      vf weighed = weight[e] * code[e];
      sumL = sumL + weighed;
      sumLL = sumLL + weighed * code[e];
      sumXL = sumXL + weighed * v;
    }
    const vf zero = vf_set(0), determinant = sumW * sumLL - sumL * sumL;
    vf scale = (sumW * sumXL - sumX * sumL) / determinant;
    vf minimum = (sumLL * sumX - sumL * sumXL) / determinant;
    scale = vf_whereGreater(minimum, zero, sumXL / sumLL, scale);
    minimum = vf_whereGreater(minimum, zero, zero, minimum);
    vf found = zero;
    for (size_t e = 0; e < blockValues; e++) {
      vf difference = scale * code[e] + minimum - valueAt(x, lane, e);
      found = found + weight[e] * (difference * difference);
    }
    // Not better where the determinant is not positive.
    found = vf_whereGreater(determinant, zero, found, error);
    fit.base = vf_whereGreater(error, found, fit.minimum, fit.base);
    fit.inverse = vf_whereGreater(error, found, inverse, fit.inverse);
    fit.scale = vf_whereGreater(error, found, scale, fit.scale);
    fit.minimum = vf_whereGreater(error, found, minimum, fit.minimum);
    error = vf_whereGreater(error, found, found, error);
  }
  // A block of one value, which is then not positive.
  fit.scale = vf_whereGreater(most, first, fit.scale, vf_set(0));
  fit.inverse = vf_whereGreater(most, first, fit.inverse, vf_set(0));
  fit.minimum = vf_set(0) - vf_whereGreater(most, first, fit.minimum, first);
  return fit;
}

// make_qx_quants for 6 bits and values 16 half ..< 16 half + 16: the largest value at -32 steps, or
// up to 0.9 more or less, whichever fits best by least squares weighed by the value's square.
INLINE SuperFit fitQ6K(const Transposed *x, size_t lane, size_t half) {
  const size_t from = half * 16;
  vf largest = vf_set(0), extreme = vf_set(0);
  for (size_t e = from; e < from + 16; e++) {
    vf v = valueAt(x, lane, e), magnitude = vf_abs(v);
    extreme = vf_whereGreater(magnitude, largest, v, extreme);
    largest = vf_max(magnitude, largest);
  }
  const vf zero = vf_set(0);
  SuperFit fit = {.base = zero};
  vf best = zero;
  for (int i = 0; i < 19; i++) {
    const int tenths = i == 0 ? 0 : i <= 9 ? i - 10 : i - 9; // 0, then -9 ... 9 without it
    const vf inverse = vf_set(-(32 + 0.1f * (float)tenths)) / extreme;
    vf sumLX = zero, sumLL = zero;
    for (size_t e = from; e < from + 16; e++) {
      vf v = valueAt(x, lane, e), code = codeWithin(inverse * v, -32, 31), w = v * v;
      sumLX = sumLX + w * v * code;
      sumLL = sumLL + w * code * code;
    }
    vf scale = vf_whereGreater(sumLL, zero, sumLX / sumLL, zero);
    if (i == 0) {
      fit.scale = scale;
      fit.inverse = inverse;
      best = scale * sumLX;
      continue;
    }
    vf gain = vf_whereGreater(sumLL, zero, sumLX * sumLX, zero), bar = best * sumLL;
    fit.scale = vf_whereGreater(gain, bar, scale, fit.scale);
    fit.inverse = vf_whereGreater(gain, bar, inverse, fit.inverse);
    best = vf_whereGreater(gain, bar, scale * sumLX, best);
  }
  const vf none = vf_set(1e-15f);
  fit.scale = vf_whereGreater(none, largest, zero, fit.scale);
  fit.inverse = vf_whereGreater(none, largest, zero, fit.inverse);
  return fit;
}

// To nearest even, 0 for a NaN.
INLINE int roundedWithin(float v, int least, int most) {
  v = v > (float)least ? v : v <= (float)least ? (float)least : 0;
  v = v < (float)most ? v : (float)most;
  return (int)(bitsFromFloat(v + 0x1.8p23f) - 0x4b400000u);
}

INLINE void storeHalf(uint8_t *to, float v) {
  const uint16_t half = halfFromFloat(v);
  memcpy(to, &half, sizeof half);
}

// The scales of super-blocks: `to` is where the group's begin.
INLINE void storeScalesQ4K(const GroupScales *scales, size_t lanes, uint8_t *to) {
  for (size_t lane = 0; lane < lanes; lane += superBlocks) {
    float scale = 0, minimum = 0;
    for (size_t i = lane; i < lane + superBlocks; i++) {
      scale = scales->first[i] > scale ? scales->first[i] : scale;
      minimum = scales->second[i] > minimum ? scales->second[i] : minimum;
    }
    const float inverseScale = scale > 0 ? 63 / scale : 0;
    const float inverseMinimum = minimum > 0 ? 63 / minimum : 0;
    uint32_t high = 0;
    for (size_t i = 0; i < superBlocks; i++) {
      const unsigned s = (unsigned)roundedWithin(inverseScale * scales->first[lane + i], 0, 63);
      const unsigned m = (unsigned)roundedWithin(inverseMinimum * scales->second[lane + i], 0, 63);
      to[lanes / 2 + lane + i] = (uint8_t)((s & 15) | (m & 15) << 4);
      high |= (s >> 4 | m >> 4 << 2) << (4 * i);
    }
    memcpy(to + lanes / 2 + lanes + lane / 2, &high, sizeof high);
    storeHalf(to + lane / 2, scale / 63);
    storeHalf(to + lane / 2 + 2, minimum / 63);
  }
}

INLINE void storeScalesQ6K(GroupScales *scales, size_t lanes, uint8_t *to) {
  for (size_t lane = 0; lane < lanes; lane += superBlocks) {
    float extreme = 0;
    for (size_t i = lane; i < lane + superBlocks; i++) {
      const float pair[2] = {scales->first[i], scales->second[i]};
      for (int half = 0; half < 2; half++)
        if (__builtin_fabsf(pair[half]) > __builtin_fabsf(extreme))
          extreme = pair[half];
    }
    const int isThere = __builtin_fabsf(extreme) >= 1e-15f;
    const float inverse = isThere ? -128 / extreme : 0;
    storeHalf(to + lane / 4, isThere ? 1 / inverse : 0);
    for (size_t i = lane; i < lane + superBlocks; i++) {
      scales->codes[i] = isThere ? -1 : 0; // GGML writes zeros for nothing but zeros
      to[lanes / 4 + i] = (uint8_t)roundedWithin(inverse * scales->first[i], -128, 127);
      to[lanes / 4 + lanes + i] = (uint8_t)roundedWithin(inverse * scales->second[i], -128, 127);
    }
  }
}

// The code of a value for a stored scale, or where that is zero as it was searched.
INLINE vi superCode(vf v, vf scale, vf shift, SuperFit fit, float least, float most) {
  vf code = codeWithin((v + shift) / scale, least, most);
  vf searched = codeWithin(fit.inverse * (v - fit.base), least, most);
  return vi_round(vf_whereGreater(vf_abs(scale), vf_set(0), code, searched));
}

INLINE vi packCodes(const vi code[4]) { return packBytes(code[0], code[1], code[2], code[3]); }

// `row` is the whole row's; the group's `lanes` blocks are x.
INLINE void encodeQ4K(const Transposed *x, size_t group, size_t lanes, uint8_t *row,
                      uint8_t *pieces) {
  SuperFit fit[groupBlocks / LANES];
  GroupScales scales;
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    fit[lane / LANES] = fitQ4K(x, lane);
    vf_store(&scales.first[lane], fit[lane / LANES].scale, LANES);
    vf_store(&scales.second[lane], fit[lane / LANES].minimum, LANES);
  }
  storeScalesQ4K(&scales, lanes, row + scaleBytes(Q4_K, groupBlocks) * group);
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    const size_t n = smaller(LANES, lanes - lane);
    const BlockScales stored = blockScales(Q4_K, row, group, lanes, lane, n);
    for (size_t k = 0; k < 4; k++) {
      vi low[4], high[4];
      UNROLL for (size_t b = 0; b < 4; b++) {
        low[b] = superCode(valueAt(x, lane, 4 * k + b), stored.scale, stored.second,
                           fit[lane / LANES], 0, 15);
        high[b] = superCode(valueAt(x, lane, 16 + 4 * k + b), stored.scale, stored.second,
                            fit[lane / LANES], 0, 15);
      }
      vi_store(pieces + 4 * (k * lanes + lane), packCodes(low) | vi_shiftLeft(packCodes(high), 4),
               n);
    }
  }
}

// The codes of LANES blocks as pieces of six bits; the last eight values lie in the upper bits.
INLINE void storeSix(const vi bytes[8], size_t lanes, size_t lane, size_t n, uint8_t *pieces) {
  for (size_t k = 0; k < 6; k++) {
    const int shift = (int)(k / 2) * 2;
    vi top = vi_shiftRight(bytes[6 + k % 2], shift) & vi_set(0x03030303);
    vi_store(pieces + 4 * (k * lanes + lane), bytes[k] | vi_shiftLeft(top, 6), n);
  }
}

INLINE void encodeQ6K(const Transposed *x, size_t group, size_t lanes, uint8_t *row,
                      uint8_t *pieces) {
  SuperFit fit[groupBlocks / LANES][2];
  GroupScales scales;
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    for (size_t half = 0; half < 2; half++)
      fit[lane / LANES][half] = fitQ6K(x, lane, half);
    vf_store(&scales.first[lane], fit[lane / LANES][0].scale, LANES);
    vf_store(&scales.second[lane], fit[lane / LANES][1].scale, LANES);
  }
  storeScalesQ6K(&scales, lanes, row + scaleBytes(Q6_K, groupBlocks) * group);
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    const size_t n = smaller(LANES, lanes - lane);
    const BlockScales stored = blockScales(Q6_K, row, group, lanes, lane, n);
    const vi kept = vi_load(&scales.codes[lane], LANES);
    vi bytes[8];
    for (size_t k = 0; k < 8; k++) {
      vi code[4];
      UNROLL for (size_t b = 0; b < 4; b++)
        code[b] = superCode(valueAt(x, lane, 4 * k + b), k < 4 ? stored.scale : stored.second,
                            vf_set(0), fit[lane / LANES][k / 4], -32, 31) + vi_set(32);
      bytes[k] = packCodes(code) & kept;
    }
    storeSix(bytes, lanes, lane, n, pieces);
  }
}
