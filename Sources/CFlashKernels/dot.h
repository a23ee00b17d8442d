// Rows times activations. A tile of up to 4 rows and 4 tokens is computed at once, each element in
// one accumulator vector of its own, so that the tile's shape cannot be seen in the result.
//
// Quantized rows are taken four at a time with two tokens: 16 accumulators, and fewer loads for a
// multiplication than with two rows and four tokens, which is a sixth slower in q4_0 and a quarter
// in q8_0.

enum { tileRows = 4, tileTokens = 4, quantizedTokens = 2 };
// Rows that stay in the second-level cache while several tokens pass over them.
enum { residentBytes = 192 * 1024 };
// How far ahead rows are prefetched, into the second-level cache: half and twice the distance are
// as fast on Zen 4, prefetching 2 or 4 KB ahead into the first level is a third slower.
enum { aheadBytes = 16 * 1024 };

typedef struct {
  const uint8_t *row[tileRows];   // the rows of the tile
  const uint8_t *ahead[tileRows]; // what to prefetch while reading them
  const uint8_t *activation[tileTokens];
} Tile;

INLINE void plainStep(Format format, const Tile *tile, int rows, int tokens, size_t i, size_t n,
                      vf sum[tileRows * tileTokens]) {
  vf w[tileRows];
  UNROLL for (int r = 0; r < rows; r++) w[r] = loadValues(format, tile->row[r], i, n);
  UNROLL for (int t = 0; t < tokens; t++) {
    vf x = vf_load((const float *)(const void *)tile->activation[t] + i, n);
    UNROLL for (int r = 0; r < rows; r++)
      sum[r * tileTokens + t] = vf_fma(w[r], x, sum[r * tileTokens + t]);
  }
}

INLINE void plainTile(Format format, const Tile *tile, int rows, int tokens, int prefetching,
                      size_t width, vf sum[tileRows * tileTokens]) {
  const size_t line = lineBytes / (format == F32 ? 4 : 2);
  size_t i = 0;
  for (; i + line <= width; i += line) {
    if (prefetching)
      UNROLL for (int r = 0; r < rows; r++) prefetch(tile->ahead[r] + valueOffset(format, i));
    for (size_t j = i; j < i + line; j += LANES)
      plainStep(format, tile, rows, tokens, j, LANES, sum);
  }
  for (; i + LANES <= width; i += LANES)
    plainStep(format, tile, rows, tokens, i, LANES, sum);
  if (i < width)
    plainStep(format, tile, rows, tokens, i, width - i, sum);
}

// Adds the scaled sums of integers of one row's blocks, or of q6_K's halves of them.
INLINE vf addScaled(Format format, vi integer, vf weight, vf second, const uint8_t *activation,
                    size_t blocks, size_t block, size_t n, vf sum) {
  vf x = vf_load((const float *)(const void *)activationScales(activation) + block, n);
  sum = vf_fma(vf_from_vi(integer), weight * x, sum);
  if (format != Q4_K)
    return sum;
  const uint8_t *minusSums = activationStarts(activation, blocks) + 4 * block;
  return vf_fma(second, vf_load((const float *)(const void *)minusSums, n), sum);
}

// Lanes lane ..< lane + n of a group of `lanes` blocks: exact integer sums inside each block, then
// one multiply-add of the scaled sum (q4_K: and one of what is subtracted). Prefetches are spread
// over the arithmetic: the CPU has few places for what is on its way.
INLINE void quantizedStep(Format format, const Tile *tile, int rows, int tokens, int prefetching,
                          size_t blocks, size_t group, size_t lanes, size_t lane, size_t n,
                          vf sum[tileRows * tileTokens]) {
  const size_t block = group * groupBlocks + lane;
  const size_t piece = 4 * lanes;
  const size_t w0 = groupOffset(format, blocks, group) + 4 * lane;
  const size_t x0 = activationGroupOffset(format, blocks, group) + 4 * lane;
  vi integer[tileRows * tileTokens];
  UNROLL for (int t = 0; t < tokens; t++) {
    vi start = format == Q4_K
                   ? vi_set(0)
                   : vi_load(activationStarts(tile->activation[t], blocks) + 4 * block, n);
    UNROLL for (int r = 0; r < rows; r++)
      integer[r * tileTokens + t] = format == Q8_0 ? vi_startBytes(start) : start;
  }
  prefetching = prefetching && 4 * lane % lineBytes == 0;
  if (prefetching)
    UNROLL for (int r = 0; r < rows; r++) prefetch(tile->ahead[r] + scaleBytes(format, block));
  UNROLL for (size_t k = 0; k < 4; k++) {
    if (prefetching)
      UNROLL for (int r = 0; r < rows; r++) {
        const uint8_t *w = tile->ahead[r] + w0 + k * piece;
        prefetch(w);
        if (format == Q8_0)
          prefetch(w + 4 * piece);
      }
    vi low[tileRows], high[tileRows];
    UNROLL for (int r = 0; r < rows; r++) {
      const uint8_t *w = tile->row[r] + w0 + k * piece;
      low[r] = vi_load(w, n);
      high[r] = format == Q8_0 ? vi_load(w + 4 * piece, n) : nibbles(format, low[r], 4);
      if (format != Q8_0)
        low[r] = nibbles(format, low[r], 0);
    }
    UNROLL for (int t = 0; t < tokens; t++) {
      const uint8_t *x = tile->activation[t] + x0 + k * piece;
      vi xLow = vi_load(x, n), xHigh = vi_load(x + 4 * piece, n);
      UNROLL for (int r = 0; r < rows; r++) {
        vi *to = &integer[r * tileTokens + t];
        *to = format == Q8_0 ? vi_dotBytes(vi_dotBytes(*to, low[r], xLow), high[r], xHigh)
                             : vi_dotNibbles(*to, low[r], xLow, high[r], xHigh);
      }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    const BlockScales w = blockScales(format, tile->row[r], group, lanes, lane, n);
    UNROLL for (int t = 0; t < tokens; t++) {
      const int i = r * tileTokens + t;
      sum[i] = addScaled(format, integer[i], w.scale, w.second, tile->activation[t], blocks, block,
                         n, sum[i]);
    }
  }
}

// The same for q6_K, whose first 16 values of a block have one scale and the others another: a sum
// of integers for each, one after another, so that there are registers for them.
INLINE void sixBitStep(const Tile *tile, int rows, int tokens, int prefetching, size_t blocks,
                       size_t group, size_t lanes, size_t lane, size_t n,
                       vf sum[tileRows * tileTokens]) {
  const size_t block = group * groupBlocks + lane;
  const size_t piece = 4 * lanes;
  const size_t w0 = groupOffset(Q6_K, blocks, group) + 4 * lane;
  const size_t x0 = activationGroupOffset(Q6_K, blocks, group) + 4 * lane;
  BlockScales scales[tileRows];
  prefetching = prefetching && 4 * lane % lineBytes == 0;
  UNROLL for (int r = 0; r < rows; r++) {
    if (prefetching)
      prefetchGroup(Q6_K, tile->ahead[r], blocks, group);
    scales[r] = blockScales(Q6_K, tile->row[r], group, lanes, lane, n);
  }
  UNROLL for (size_t half = 0; half < 2; half++) {
    vi integer[tileRows * tileTokens];
    UNROLL for (int t = 0; t < tokens; t++) {
      vi start = vi_load(activationStarts(tile->activation[t], blocks) +
                             4 * (half * blocks + block), n);
      UNROLL for (int r = 0; r < rows; r++) integer[r * tileTokens + t] = start;
    }
    UNROLL for (size_t k = 4 * half; k < 4 * half + 4; k++) {
      vi w[tileRows];
      UNROLL for (int r = 0; r < rows; r++)
        w[r] = weightBytes(Q6_K, tile->row[r] + w0, piece, k, n);
      UNROLL for (int t = 0; t < tokens; t++) {
        vi x = vi_load(tile->activation[t] + x0 + k * piece, n);
        UNROLL for (int r = 0; r < rows; r++) {
          vi *to = &integer[r * tileTokens + t];
          *to = vi_dotSmall(*to, w[r], x);
        }
      }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int t = 0; t < tokens; t++) {
      const int i = r * tileTokens + t;
      sum[i] = addScaled(Q6_K, integer[i], half == 0 ? scales[r].scale : scales[r].second,
                         vf_set(0), tile->activation[t], blocks, block, n, sum[i]);
    }
  }
}

INLINE void groupStep(Format format, const Tile *tile, int rows, int tokens, int prefetching,
                      size_t blocks, size_t group, size_t lanes, size_t lane, size_t n,
                      vf sum[tileRows * tileTokens]) {
  if (format == Q6_K)
    sixBitStep(tile, rows, tokens, prefetching, blocks, group, lanes, lane, n, sum);
  else
    quantizedStep(format, tile, rows, tokens, prefetching, blocks, group, lanes, lane, n, sum);
}

INLINE void quantizedTile(Format format, const Tile *tile, int rows, int tokens, int prefetching,
                          size_t width, vf sum[tileRows * tileTokens]) {
  const size_t blocks = width / blockValues;
  size_t group = 0;
  for (; (group + 1) * groupBlocks <= blocks; group++)
    for (size_t lane = 0; lane < groupBlocks; lane += LANES)
      groupStep(format, tile, rows, tokens, prefetching, blocks, group, groupBlocks, lane, LANES,
                sum);
  const size_t lanes = blocks - group * groupBlocks;
  for (size_t lane = 0; lane < lanes; lane += LANES)
    groupStep(format, tile, rows, tokens, 0, blocks, group, lanes, lane,
              smaller(LANES, lanes - lane), sum);
}

// What to prefetch with row r: the same share of what is wanted next, or a row further on.
INLINE const uint8_t *aheadOf(Format format, const CFlashKernels_Dot *job, size_t r, int rows) {
  const size_t bytes = rowBytes(format, job->width);
  if (job->ahead)
    return (const uint8_t *)job->ahead + r * bytes;
  return rowAt(job, smaller(r + (size_t)rows + aheadBytes / (bytes + 1), job->rowCount - 1));
}

// Rows r ..< r + rows against tokens t ..< t + tokens; `rows`, `tokens` and
// `prefetching` are constants.
INLINE void dotTile(Format format, const CFlashKernels_Dot *job, size_t r, size_t t, int rows,
                    int tokens, int prefetching) {
  Tile tile;
  vf sum[tileRows * tileTokens];
  UNROLL for (int i = 0; i < rows; i++) {
    tile.row[i] = rowAt(job, r + (size_t)i);
    tile.ahead[i] = aheadOf(format, job, r + (size_t)i, rows);
    UNROLL for (int k = 0; k < tokens; k++) sum[i * tileTokens + k] = vf_set(0);
  }
  UNROLL for (int k = 0; k < tokens; k++)
    tile.activation[k] =
        (const uint8_t *)job->activations + (t + (size_t)k) * job->activationStride;
  if (isQuantized(format))
    quantizedTile(format, &tile, rows, tokens, prefetching, job->width, sum);
  else
    plainTile(format, &tile, rows, tokens, prefetching, job->width, sum);
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int k = 0; k < tokens; k++)
      job->output[(t + (size_t)k) * job->outputStride + r + (size_t)i] =
          vf_sum(sum[i * tileTokens + k]);
}

INLINE void dotRows(Format format, const CFlashKernels_Dot *job, size_t firstRow, size_t endRow,
                    size_t t, int rows, int tokens, int prefetching) {
  size_t r = firstRow;
  for (; r + (size_t)rows <= endRow; r += (size_t)rows)
    dotTile(format, job, r, t, rows, tokens, prefetching);
  for (; r < endRow; r++)
    dotTile(format, job, r, t, 1, tokens, prefetching);
}

INLINE void dot(Format format, const CFlashKernels_Dot *job) {
  if (job->tokenCount == 0)
    return;
  if (job->tokenCount == 1) {
    // Four scattered rows on their way: a tenth faster than one. In a row, one is as fast.
    if (isQuantized(format) && job->scattered)
      dotRows(format, job, 0, job->rowCount, 0, tileRows, 1, 1);
    else
      dotRows(format, job, 0, job->rowCount, 0, 1, 1, 1);
    return;
  }
  const size_t tiles = residentBytes / (rowBytes(format, job->width) + 1) / tileRows;
  const size_t step = (tiles + 1) * tileRows;
  const size_t tokens = isQuantized(format) ? quantizedTokens : tileTokens;
  for (size_t r = 0; r < job->rowCount; r += step) {
    const size_t end = smaller(r + step, job->rowCount);
    // The first tokens bring the rows from memory; what follows is bound by arithmetic.
    dotRows(format, job, r, end, 0, tileRows, quantizedTokens, 1);
    size_t t = quantizedTokens;
    for (; t + tokens <= job->tokenCount; t += tokens)
      dotRows(format, job, r, end, t, tileRows, (int)tokens, 0);
    for (; t < job->tokenCount; t++)
      dotRows(format, job, r, end, t, 1, 1, 0);
  }
}
