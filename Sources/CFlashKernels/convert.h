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

INLINE void prepareGroup(Format format, const float *x, size_t blocks, size_t group,
                         uint8_t *activation) {
  const size_t lanes = lanesOfGroup(blocks, group);
  Transposed values;
  transpose(x + group * groupValues, lanes, &values);
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    const size_t n = smaller(LANES, lanes - lane), block = group * groupBlocks + lane;
    vf largest = largestMagnitude(&values, lane);
    vf inverse = vf_whereGreater(largest, vf_set(0), vf_set(127) / largest, vf_set(0));
    vi sum = vi_set(0);
    for (size_t k = 0; k < 8; k++) {
      vi q[4];
      UNROLL for (size_t b = 0; b < 4; b++) {
        q[b] = vi_round(within(vf_load(&values.at[4 * k + b][lane], LANES) * inverse, 127));
        sum += q[b];
        q[b] &= vi_set(0xff);
      }
      vi_store(activation + activationGroupOffset(blocks, group) + 4 * (k * lanes + lane),
               packBytes(q[0], q[1], q[2], q[3]), n);
    }
    vf_store((float *)(void *)activation + block, largest / vf_set(127), n);
    vi offset = vi_shiftLeft(sum, format == Q8_0 ? 7 : 3);
    vi_store(activation + 4 * (blocks + block), vi_set(0) - offset, n);
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

INLINE void decodeGroup(Format format, const uint8_t *row, size_t blocks, size_t group,
                        Transposed *values) {
  const size_t lanes = lanesOfGroup(blocks, group);
  for (size_t lane = 0; lane < lanes; lane += LANES) {
    const size_t n = smaller(LANES, lanes - lane);
    vf scale = vf_load_f16(row + 2 * (group * groupBlocks + lane), n);
    for (size_t k = 0; k < pieceCount(format); k++) {
      vi piece = vi_load(row + groupOffset(format, blocks, group) + 4 * (k * lanes + lane), n);
      UNROLL for (int m = 0; m < valuesPerPiece(format); m++)
        vf_store(&values->at[pieceIndex(format, k, m)][lane], pieceValue(format, piece, m) * scale,
                 LANES);
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
