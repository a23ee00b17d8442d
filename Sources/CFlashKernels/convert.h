// Between plain f32 vectors and what the kernels work on: activations, decoded rows, accumulators
// in packed order. Quantized groups pass through a transposed copy, [value in block][block], in
// which a vector holds the same value of LANES blocks, so that a block's scale and sums need no
// horizontal operation and come out alike on every instruction set.

typedef struct {
  _Alignas(64) float at[blockValues][groupBlocks];
} Transposed;

// x: `lanes` blocks of 32 values. Lanes that are not there are zero.
INLINE void transpose(const float *x, size_t lanes, Transposed *to) {
  if (lanes < groupBlocks)
    memset(to, 0, sizeof *to);
  for (size_t lane = 0; lane < lanes; lane++)
    for (size_t e = 0; e < blockValues; e++)
      to->at[e][lane] = x[lane * blockValues + e];
}

INLINE void transposeBack(const Transposed *from, size_t lanes, float *x) {
  for (size_t lane = 0; lane < lanes; lane++)
    for (size_t e = 0; e < blockValues; e++)
      x[lane * blockValues + e] = from->at[e][lane];
}

// Compared as integers, in which a NaN is larger than every number: it reaches the scale.
INLINE vf largestMagnitude(const Transposed *x, size_t lane) {
  vi largest = vi_set(0);
  for (size_t e = 0; e < blockValues; e++) {
    vi magnitude = vi_bits(vf_abs(vf_load(&x->at[e][lane], LANES)));
    largest = vi_whereGreater(magnitude, largest, magnitude, largest);
  }
  return vf_bits(largest);
}

// v cut to -limit ... limit; -limit for a NaN, so that its conversion to an integer is defined.
INLINE vf within(vf v, float limit) { return vf_min(vf_max(v, vf_set(-limit)), vf_set(limit)); }

INLINE vi packBytes(vi a, vi b, vi c, vi d) {
  return a | vi_shiftLeft(b, 8) | vi_shiftLeft(c, 16) | vi_shiftLeft(d, 24);
}

// The sums of each block's integers, of the first 16 and of the others, as the format takes them.
INLINE void storeSums(Format format, const vi half[2], vf scale, size_t blocks, size_t block,
                      size_t n, uint8_t *activation) {
  uint8_t *to = activation + 4 * (blocks + block);
  vi sum = half[0] + half[1];
  if (format == Q4_K) {
    vf_store((float *)(void *)to, vf_from_vi(vi_set(0) - sum) * scale, n);
    return;
  }
  const int bits = offsetBits(format);
  vi_store(to, vi_set(0) - vi_shiftLeft(format == Q6_K ? half[0] : sum, bits), n);
  if (format == Q6_K)
    vi_store(to + 4 * blocks, vi_set(0) - vi_shiftLeft(half[1], bits), n);
}

INLINE void prepareGroup(Format format, const float *x, size_t blocks, size_t group,
                         uint8_t *activation) {
  const size_t lanes = lanesOfGroup(blocks, group);
  uint8_t *bytes = activation + activationGroupOffset(format, blocks, group);
  Transposed values;
  transpose(x + group * groupValues, lanes, &values);
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    const size_t n = smaller(LANES, lanes - lane), block = group * groupBlocks + lane;
    vf largest = largestMagnitude(&values, lane);
    vf inverse = vf_whereGreater(largest, vf_set(0), vf_set(127) / largest, vf_set(0));
    vi half[2] = {vi_set(0), vi_set(0)};
    for (size_t k = 0; k < 8; k++) {
      vi q[4];
      UNROLL for (size_t b = 0; b < 4; b++) {
        q[b] = vi_round(within(vf_load(&values.at[4 * k + b][lane], LANES) * inverse, 127));
        half[k / 4] += q[b];
        q[b] &= vi_set(0xff);
      }
      vi_store(bytes + 4 * (k * lanes + lane), packBytes(q[0], q[1], q[2], q[3]), n);
    }
    vf scale = largest / vf_set(127);
    vf_store((float *)(void *)activation + block, scale, n);
    storeSums(format, half, scale, blocks, block, n, activation);
  }
}

INLINE void prepareActivation(Format format, const float *x, size_t width, void *activation) {
  if (!isQuantized(format)) {
    memcpy(activation, x, width * sizeof *x);
    return;
  }
  const size_t blocks = width / blockValues;
  for (size_t group = 0; group < groupCount(blocks); group++)
    prepareGroup(format, x, blocks, group, activation);
}

// Values 4 k ..< 4 k + 4 of blocks whose pieces begin at `w`, in whole bytes without a sign.
INLINE vi weightBytes(Format format, const uint8_t *w, size_t piece, size_t k, size_t n) {
  if (isNibbles(format)) {
    vi both = vi_load(w + k % 4 * piece, n);
    return k < 4 ? nibbles(format, both, 0) : nibbles(format, both, 4);
  }
  if (format == Q6_K && k >= 6)
    return topSix(vi_load(w + (k - 6) * piece, n), vi_load(w + (k - 4) * piece, n),
                  vi_load(w + (k - 2) * piece, n));
  vi whole = vi_load(w + k * piece, n);
  return format == Q6_K ? lowSix(whole) : whole;
}

INLINE void decodeGroup(Format format, const uint8_t *row, size_t blocks, size_t group,
                        Transposed *values) {
  const size_t lanes = lanesOfGroup(blocks, group);
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    const size_t n = smaller(LANES, lanes - lane);
    const BlockScales scales = blockScales(format, row, group, lanes, lane, n);
    const uint8_t *w = row + groupOffset(format, blocks, group) + 4 * lane;
    // byteValue takes 128 off.
    const vf offset = vf_set(format == Q4_K ? 128 : (float)(128 - (1 << offsetBits(format))));
    for (size_t k = 0; k < 8; k++) {
      vi bytes = weightBytes(format, w, 4 * lanes, k, n);
      vf scale = format == Q6_K && k >= 4 ? scales.second : scales.scale;
      UNROLL for (int b = 0; b < 4; b++) {
        vf value = (byteValue(bytes, b) + offset) * scale;
        vf_store(&values->at[4 * k + (size_t)b][lane],
                 format == Q4_K ? value - scales.second : value, LANES);
      }
    }
  }
}

INLINE void decodeRow(Format format, size_t width, const uint8_t *row, float *values) {
  if (isQuantized(format)) {
    const size_t blocks = width / blockValues;
    for (size_t group = 0; group < groupCount(blocks); group++) {
      Transposed decoded;
      decodeGroup(format, row, blocks, group, &decoded);
      transposeBack(&decoded, lanesOfGroup(blocks, group), values + group * groupValues);
    }
    return;
  }
  size_t i = 0;
  for (; i + LANES <= width; i += LANES)
    vf_store(values + i, loadValues(format, row, i, LANES), LANES);
  if (i < width)
    vf_store(values + i, loadValues(format, row, i, width - i), width - i);
}

INLINE void addUnpacked(Format format, size_t width, const float *accumulator, float *output) {
  if (!isQuantized(format)) {
    for (size_t i = 0; i < width; i++)
      output[i] += accumulator[i];
    return;
  }
  const size_t blocks = width / blockValues;
  for (size_t group = 0; group < groupCount(blocks); group++) {
    const size_t lanes = lanesOfGroup(blocks, group);
    const float *from = accumulator + group * groupValues;
    float *to = output + group * groupValues;
    for (size_t lane = 0; lane < lanes; lane++)
      for (size_t e = 0; e < blockValues; e++)
        to[lane * blockValues + e] += from[e * lanes + lane];
  }
}
