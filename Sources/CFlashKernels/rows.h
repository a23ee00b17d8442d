// Reading rows: values of the plain formats, and where things lie in a quantized row.

INLINE vi vi_shiftRight(vi v, int bits) { return (vi)((vu)v >> (vu)vi_set(bits)); }
INLINE vi vi_shiftLeft(vi v, int bits) { return (vi)((vu)v << (vu)vi_set(bits)); }

INLINE vf vf_abs(vf v) { return vf_bits(vi_bits(v) & vi_set(0x7fffffff)); }

INLINE int isSuper(Format format) { return format == Q4_K || format == Q6_K; }
INLINE int isNibbles(Format format) {
  return format == Q4_0 || format == MXFP4 || format == Q4_K;
}
INLINE int isQuantized(Format format) {
  return format == Q8_0 || isNibbles(format) || format == Q6_K;
}

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

// Four-byte pieces of a block: q8_0 has eight, q6_K six, the formats of nibbles four.
INLINE size_t pieceCount(Format format) { return format == Q8_0 ? 8 : format == Q6_K ? 6 : 4; }

// Bytes of the scales of some blocks, before the pieces of all. In a q4_K or q6_K row they are
// whole super-blocks, and the scales of each group of blocks lie together.
INLINE size_t scaleBytes(Format format, size_t blocks) {
  return format == Q6_K ? blocks / superBlocks * 18 : format == MXFP4 ? blocks : 2 * blocks;
}

INLINE size_t groupOffset(Format format, size_t blocks, size_t group) {
  return scaleBytes(format, blocks) + group * groupBlocks * 4 * pieceCount(format);
}

INLINE size_t rowBytes(Format format, size_t width) {
  const size_t blocks = width / blockValues;
  return isQuantized(format) ? scaleBytes(format, blocks) + 4 * blocks * pieceCount(format)
                             : valueOffset(format, width);
}

INLINE size_t groupCount(size_t blocks) { return (blocks + groupBlocks - 1) / groupBlocks; }

// Blocks in a group: 16, and what is left in the last one.
INLINE size_t lanesOfGroup(size_t blocks, size_t group) {
  return smaller(groupBlocks, blocks - group * groupBlocks);
}

// What blocks are multiplied with, one a lane.
typedef struct {
  vf scale;  // in q6_K of the first 16 values
  vf second; // q6_K: of the other 16 values; q4_K: what is subtracted
} BlockScales;

// GGML's half of 2^(code - 127), the values of codes being doubled: 2^-128, which is subnormal, to
// 2^127.
INLINE vf halfOfPower(vi code) {
  return vf_bits(vi_max(vi_shiftLeft(code - vi_set(1), 23), vi_shiftLeft(code + vi_set(1), 21)));
}

// Of lanes lane ..< lane + n of a group of `lanes` blocks; zero, of mxfp4 the smallest scale, in
// the other lanes.
INLINE BlockScales blockScales(Format format, const uint8_t *row, size_t group, size_t lanes,
                               size_t lane, size_t n) {
  const uint8_t *at = row + scaleBytes(format, groupBlocks) * group;
  vf unit[2];
  if (!isSuper(format)) {
    vf scale = format == MXFP4 ? halfOfPower(vi_load_u8(at + lane, n))
                               : vf_load_f16(at + 2 * lane, n);
    return (BlockScales){scale, scale};
  }
  if (format == Q6_K) {
    vf_loadSuper(at + lane / superBlocks * 2, 1, n, unit);
    const uint8_t *scales = at + lanes / 4 + lane;
    return (BlockScales){vf_load_i8(scales, n) * unit[0], vf_load_i8(scales + lanes, n) * unit[0]};
  }
  vf_loadSuper(at + lane / superBlocks * 4, 2, n, unit);
  vi low = vi_load_u8(at + lanes / 2 + lane, n);
  vi high = vi_nibbles(at + lanes / 2 + lanes + lane / superBlocks * 4, lane, n);
  vi scale = (low & vi_set(15)) | (vi_shiftLeft(high, 4) & vi_set(0x30));
  vi minimum = vi_shiftRight(low, 4) | (vi_shiftLeft(high, 2) & vi_set(0x30));
  return (BlockScales){vf_from_vi(scale) * unit[0], vf_from_vi(minimum) * unit[1]};
}

// A quantized activation of n blocks: n f32 scales, then what the format takes in whole sums of the
// block's integers, then the int8 values in the order of a q8_0 row's groups. The sums are
//
//   q8_0, q4_0, mxfp4: n int32, minus the format's offset times the sum
//   q6_K: the same of the first 16 values of each block, and then of the others
//   q4_K: n f32, minus the scale times the sum
INLINE const uint8_t *activationScales(const uint8_t *x) { return x; }
INLINE const uint8_t *activationStarts(const uint8_t *x, size_t blocks) { return x + 4 * blocks; }
INLINE size_t activationGroupOffset(Format format, size_t blocks, size_t group) {
  return (format == Q6_K ? 12 : 8) * blocks + group * groupValues;
}

// The format's offset, as a power of two.
INLINE int offsetBits(Format format) {
  return format == Q8_0 ? 7 : format == Q6_K ? 5 : format == MXFP4 ? 4 : 3;
}

// The weights of the nibbles at bit 0 or 4 of each byte, in whole bytes without a sign.
INLINE vi nibbles(Format format, vi bytes, int bit) {
  vi codes = (bit == 0 ? bytes : vi_shiftRight(bytes, bit)) & vi_set(0x0f0f0f0f);
  return format == MXFP4 ? vi_fourBitFloats(codes) : codes;
}

// Values 4 k ..< 4 k + 4 of q6_K blocks are the low six bits of piece k, for k < 6. Value 24 + i is
// in the upper bits of bytes i, 8 + i and 16 + i: pieces a, a + 2 and a + 4 have value 24 + 4 a on.
INLINE vi lowSix(vi piece) { return piece & vi_set(0x3f3f3f3f); }
INLINE vi topSix(vi first, vi second, vi third) {
  return (vi_shiftRight(first, 6) & vi_set(0x03030303)) |
         (vi_shiftRight(second, 4) & vi_set(0x0c0c0c0c)) |
         (vi_shiftRight(third, 2) & vi_set(0x30303030));
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

// A whole group of a quantized row, and its scales.
INLINE void prefetchGroup(Format format, const uint8_t *row, size_t blocks, size_t group) {
  prefetch(row + scaleBytes(format, groupBlocks) * group);
  const uint8_t *data = row + groupOffset(format, blocks, group);
  UNROLL for (size_t b = 0; b < groupBlocks * 4 * pieceCount(format); b += lineBytes)
    prefetch(data + b);
}
