// Reading rows: values of the plain formats, and where things lie in a quantized row.

INLINE vi vi_shiftRight(vi v, int bits) { return (vi)((vu)v >> (vu)vi_set(bits)); }
INLINE vi vi_shiftLeft(vi v, int bits) { return (vi)((vu)v << (vu)vi_set(bits)); }

INLINE vf vf_abs(vf v) { return vf_bits(vi_bits(v) & vi_set(0x7fffffff)); }

INLINE int isQuantized(Format format) { return format == Q8_0 || format == Q4_0; }

// Values i ..< i + n of a row that is not packed in lanes.
INLINE vf loadValues(Format format, const uint8_t *row, size_t i, size_t n) {
  switch (format) {
  case F32:
    return vf_load((const float *)(const void *)row + i, n);
  case F16:
    return vf_load_f16(row + 2 * i, n);
  case BF16:
    return vf_load_bf16(row + 2 * i, n);
  default: {
    const uint8_t *block = row + i / blockValues * (2 + blockValues);
    return vf_load_i8(block + 2 + i % blockValues, n) * vf_set(loadHalf(block));
  }
  }
}

// Where value i lies in such a row, for a whole number of blocks.
INLINE size_t valueOffset(Format format, size_t i) {
  return format == F32 ? 4 * i : format == KeyValueQ8_0 ? i + i / blockValues * 2 : 2 * i;
}

INLINE const uint8_t *rowAt(const CFlashKernels_Dot *job, size_t r) {
  return job->scattered ? (const uint8_t *)job->scattered[r]
                        : (const uint8_t *)job->rows + r * job->rowStride;
}

// Four-byte pieces of a block: q8_0 has eight, q4_0 four.
INLINE size_t pieceCount(Format format) { return format == Q8_0 ? 8 : 4; }

// Where group `group` of a quantized row of `blocks` blocks begins, after the scales.
INLINE size_t groupOffset(Format format, size_t blocks, size_t group) {
  return 2 * blocks + group * groupBlocks * 4 * pieceCount(format);
}

INLINE size_t rowBytes(Format format, size_t width) {
  const size_t blocks = width / blockValues;
  return isQuantized(format) ? blocks * (2 + 4 * pieceCount(format)) : valueOffset(format, width);
}

INLINE size_t groupCount(size_t blocks) { return (blocks + groupBlocks - 1) / groupBlocks; }

// Blocks in a group: 16, and what is left in the last one.
INLINE size_t lanesOfGroup(size_t blocks, size_t group) {
  return smaller(groupBlocks, blocks - group * groupBlocks);
}

// A quantized activation of n blocks: n f32 scales, n int32 starts (minus the format's offset times
// the sum of the block's integers), then the int8 values in the order of a q8_0 row's groups.
INLINE const uint8_t *activationScales(const uint8_t *x) { return x; }
INLINE const uint8_t *activationStarts(const uint8_t *x, size_t blocks) { return x + 4 * blocks; }
INLINE size_t activationGroupOffset(size_t blocks, size_t group) {
  return 8 * blocks + group * groupValues;
}

// Byte b of each lane as a float, less 128. Under an exponent of 23 - 8 b the byte counts ones: no
// conversion, and a third faster than shifting and converting. (Not so for nibbles, which need
// twice the constants.)
INLINE vf byteValue(vi v, int b) {
  const int at = 8 * (b % 2);
  const float one = (float)(1 << (23 - at));
  vi bytes = b < 2 ? v : vi_shiftRight(v, 16);
  bytes = (bytes & vi_set(0xff << at)) | vi_bits(vf_set(one));
  return vf_bits(bytes) - vf_set(one + 128);
}

// The float of value m of the 8 (q4_0) or 4 (q8_0) in each lane of piece k, before the scale, and
// its place in the block.
INLINE int valuesPerPiece(Format format) { return format == Q8_0 ? 4 : 8; }
INLINE vf pieceValue(Format format, vi piece, int m) {
  return format == Q8_0 ? byteValue(piece, m) : vf_nibble(piece, m);
}
INLINE size_t pieceIndex(Format format, size_t k, int m) {
  return format == Q8_0 ? 4 * k + (size_t)m : 4 * k + (size_t)(m / 2) + (size_t)(m % 2) * 16;
}

// A whole group of a quantized row, and its scales.
INLINE void prefetchGroup(Format format, const uint8_t *row, size_t blocks, size_t group) {
  prefetch(row + 2 * groupBlocks * group);
  const uint8_t *data = row + groupOffset(format, blocks, group);
  UNROLL for (size_t b = 0; b < groupBlocks * 4 * pieceCount(format); b += lineBytes)
    prefetch(data + b);
}
