// Narrow rows that lie side by side, groups of 16, one in each lane: what a row of a block or two
// costs beyond its bytes, the sum over lanes and the loop's ends, is paid once for 16 rows. On
// 16,384 q8_0 rows of 128 values that is 5 times as fast as `dot` (Zen 4, AVX-512).
//
// A group is as long as 16 rows. In it, for each block: 16 scales, then piece k (four bytes, as
// in rows.h) of each of the 16 rows; for the plain formats value i of each.

INLINE vf besideBlocks(Format format, const uint8_t *group, size_t lane, const uint8_t *x,
                       size_t blocks) {
  const size_t scales = scaleBytes(format, groupBlocks);
  const size_t blockBytes = scales + groupBlocks * 4 * pieceCount(format);
  vf sum = vf_set(0);
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *block = group + b * blockBytes, *w = block + scales + 4 * lane;
    const size_t inGroup = b / groupBlocks, step = 4 * lanesOfGroup(blocks, inGroup);
    const uint8_t *v = x + activationGroupOffset(format, blocks, inGroup) + 4 * (b % groupBlocks);
    vi start = vi_set((int32_t)load32(activationStarts(x, blocks) + 4 * b));
    vi integer = format == Q8_0 ? vi_startBytes(start) : start;
    UNROLL for (size_t k = 0; k < 4; k++) {
      vi xLow = vi_set((int32_t)load32(v + k * step));
      vi xHigh = vi_set((int32_t)load32(v + (k + 4) * step));
      vi low = vi_load(w + k * 4 * groupBlocks, LANES);
      if (format == Q8_0) {
        vi high = vi_load(w + (k + 4) * 4 * groupBlocks, LANES);
        integer = vi_dotBytes(vi_dotBytes(integer, low, xLow), high, xHigh);
      } else {
        integer = vi_dotNibbles(integer, nibbles(format, low, 0), xLow, nibbles(format, low, 4),
                                xHigh);
      }
    }
    vf scale = blockScales(format, block, 0, groupBlocks, lane, LANES).scale;
    vf unit = vf_set(floatFromBits(load32(activationScales(x) + 4 * b)));
    sum = vf_fma(vf_from_vi(integer), scale * unit, sum);
  }
  return sum;
}

INLINE vf besideValues(Format format, const uint8_t *group, size_t lane, const uint8_t *x,
                       size_t width) {
  vf sum = vf_set(0);
  for (size_t i = 0; i < width; i++) {
    vf w = loadValues(format, group, i * groupBlocks + lane, LANES);
    sum = vf_fma(w, vf_set(floatFromBits(load32(x + 4 * i))), sum);
  }
  return sum;
}

// Not for q4_K and q6_K, whose rows are not narrow.
INLINE void dotBeside(Format format, const CFlashKernels_Dot *job) {
  if (isSuper(format))
    __builtin_trap();
  const size_t groupBytes = groupBlocks * rowBytes(format, job->width);
  for (size_t r = 0; r + groupBlocks <= job->rowCount; r += groupBlocks) {
    const uint8_t *group = (const uint8_t *)job->rows + r / groupBlocks * groupBytes;
    for (size_t t = 0; t < job->tokenCount; t++) {
      const uint8_t *x = (const uint8_t *)job->activations + t * job->activationStride;
      for (size_t lane = 0; lane < groupBlocks; lane += LANES) {
        vf sum = isQuantized(format)
                     ? besideBlocks(format, group, lane, x, job->width / blockValues)
                     : besideValues(format, group, lane, x, job->width);
        vf_store(job->output + t * job->outputStride + r + lane, sum, LANES);
      }
    }
  }
}
