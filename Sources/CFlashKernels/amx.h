// The dot of quantized rows with many tokens on AMX tiles, to the bits of avx512.c: a tile
// multiplication gives the exact integer sums of one block for 16 rows and 16 tokens, and each of
// these 256 elements then has dot.h's chain, one multiply-add a block into the accumulator of its
// lane (block mod 16), and at the end vf_sum's tree over the lanes. In q6_K it is one for each half
// of a block, in q4_K another adds what is subtracted.
//
// Rows and activations are packed in lanes16, where a vector holds four bytes of 16 blocks; a tile
// wants one block of 16 rows, or tokens, side by side. Both are transposed on the way: the
// activations once for all rows, the rows once for up to 64 tokens.
//
// The file that includes this has defined the TILE_ operations.
#include "avx512.h"
#include "rows.h"
#include "accumulate.h"
#include "accumulate_tokens.h"
#include "convert.h"
#include "fold.h"
#include "fold_tokens.h"

enum {
  tileCount = 16,     // rows, and tokens, of a tile
  fewestTokens = 8,   // for which a tile that is half empty still pays
  weightBlocks = 256, // the widest row: 8192
  // 64 tokens of width 4096, 32 of 8192. All buffers together are 510 KB of stack.
  activationBlocks = 512,
};

// Tile 0 is the sums [token][row], 1 a block of 16 tokens, 2 the same block of 16 rows.
static const CFlashKernels_TileConfiguration wholeBlocks = {
    .palette = 1,
    .rows = {tileCount, tileCount, 8},
    .rowBytes = {4 * tileCount, blockValues, 4 * tileCount},
};
// The same for 16 values of a block.
static const CFlashKernels_TileConfiguration halfBlocks = {
    .palette = 1,
    .rows = {tileCount, tileCount, 4},
    .rowBytes = {4 * tileCount, blockValues / 2, 4 * tileCount},
};

// Row l of the result is lane l of the 16 vectors.
INLINE void transposeLanes(vi v[16]) {
  vi pair[16];
  UNROLL for (int i = 0; i < 16; i += 2) {
    pair[i] = (vi)_mm512_unpacklo_epi32((__m512i)v[i], (__m512i)v[i + 1]);
    pair[i + 1] = (vi)_mm512_unpackhi_epi32((__m512i)v[i], (__m512i)v[i + 1]);
  }
  UNROLL for (int i = 0; i < 16; i += 4) UNROLL for (int j = 0; j < 2; j++) {
    v[i + 2 * j] = (vi)_mm512_unpacklo_epi64((__m512i)pair[i + j], (__m512i)pair[i + j + 2]);
    v[i + 2 * j + 1] = (vi)_mm512_unpackhi_epi64((__m512i)pair[i + j], (__m512i)pair[i + j + 2]);
  }
  // v[4 i + j] has lanes j, 4 + j, 8 + j and 12 + j of vectors 4 i ..< 4 i + 4.
  UNROLL for (int j = 0; j < 4; j++) {
    __m512i a = _mm512_shuffle_i32x4((__m512i)v[j], (__m512i)v[4 + j], 0x44);
    __m512i b = _mm512_shuffle_i32x4((__m512i)v[8 + j], (__m512i)v[12 + j], 0x44);
    __m512i c = _mm512_shuffle_i32x4((__m512i)v[j], (__m512i)v[4 + j], 0xee);
    __m512i d = _mm512_shuffle_i32x4((__m512i)v[8 + j], (__m512i)v[12 + j], 0xee);
    pair[j] = (vi)_mm512_shuffle_i32x4(a, b, 0x88);
    pair[4 + j] = (vi)_mm512_shuffle_i32x4(a, b, 0xdd);
    pair[8 + j] = (vi)_mm512_shuffle_i32x4(c, d, 0x88);
    pair[12 + j] = (vi)_mm512_shuffle_i32x4(c, d, 0xdd);
  }
  UNROLL for (int i = 0; i < 16; i++) v[i] = pair[i];
}

// One block of 16 rows: the signed bytes 4 k ..< 4 k + 4 of each of them in pieces[k].
typedef struct {
  _Alignas(64) int32_t pieces[8][tileCount];
  float scales[tileCount];
  float second[tileCount]; // BlockScales.second
} WeightBlock;

// One block of 16 tokens.
typedef struct {
  _Alignas(64) int8_t values[tileCount][blockValues];
  float scales[tileCount];
  float minusSums[tileCount]; // of q4_K
} ActivationBlock;

// Blocks of one lane lie one after another, as the chain goes through them.
INLINE size_t placeOf(size_t blocks, size_t group, size_t lane) {
  const size_t longer = blocks % groupBlocks; // lanes that have a block more than the others
  return lane * (blocks / groupBlocks) + smaller(lane, longer) + group;
}

// The scales of one group of blocks of 16 rows.
INLINE void packScales(Format format, const uint8_t *const row[tileCount], size_t blocks,
                       size_t group, WeightBlock to[weightBlocks]) {
  const size_t lanes = lanesOfGroup(blocks, group);
  vi v[16], second[16];
  for (size_t i = 0; i < tileCount; i++) {
    const BlockScales scales = blockScales(format, row[i], group, lanes, 0, lanes);
    v[i] = vi_bits(scales.scale);
    second[i] = vi_bits(scales.second);
  }
  transposeLanes(v);
  for (size_t lane = 0; lane < lanes; lane++)
    vi_store(to[placeOf(blocks, group, lane)].scales, v[lane], LANES);
  if (!isSuper(format))
    return;
  transposeLanes(second);
  for (size_t lane = 0; lane < lanes; lane++)
    vi_store(to[placeOf(blocks, group, lane)].second, second[lane], LANES);
}

// What dot.h takes off a weight's integer, in each byte: q4_K's are not negative.
INLINE __m512i dotOffset(Format format) {
  return _mm512_set1_epi8(format == Q4_K ? 0 : (char)(1 << offsetBits(format)));
}

// Six whole pieces of q6_K become eight of signed bytes.
INLINE void unpackSix(WeightBlock *block) {
  vi piece[8];
  UNROLL for (size_t k = 0; k < 6; k++) piece[k] = vi_load(block->pieces[k], LANES);
  piece[6] = topSix(piece[0], piece[2], piece[4]);
  piece[7] = topSix(piece[1], piece[3], piece[5]);
  UNROLL for (size_t k = 0; k < 8; k++)
    vi_store(block->pieces[k], (vi)_mm512_sub_epi8((__m512i)lowSix(piece[k]), dotOffset(Q6_K)),
             LANES);
}

// Rows r ..< r + 16.
INLINE void packWeights(Format format, const CFlashKernels_Dot *job, size_t r,
                        WeightBlock to[weightBlocks]) {
  const size_t blocks = job->width / blockValues;
  const __m512i offset = dotOffset(format);
  const uint8_t *row[tileCount], *ahead[tileCount];
  for (size_t i = 0; i < tileCount; i++) {
    row[i] = rowAt(job, r + i);
    ahead[i] = rowAt(job, smaller(r + tileCount + i, job->rowCount - 1));
  }
  for (size_t group = 0; group < groupCount(blocks); group++) {
    const size_t lanes = lanesOfGroup(blocks, group);
    for (size_t i = 0; i < tileCount; i++)
      prefetchGroup(format, ahead[i], blocks, group);
    packScales(format, row, blocks, group, to);
    for (size_t k = 0; k < pieceCount(format); k++) {
      vi v[16];
      const size_t from = groupOffset(format, blocks, group) + 4 * k * lanes;
      UNROLL for (size_t i = 0; i < tileCount; i++) v[i] = vi_load(row[i] + from, lanes);
      transposeLanes(v);
      for (size_t lane = 0; lane < lanes; lane++) {
        WeightBlock *block = &to[placeOf(blocks, group, lane)];
        if (isNibbles(format)) {
          vi high = nibbles(format, v[lane], 4);
          vi_store(block->pieces[k + 4], (vi)_mm512_sub_epi8((__m512i)high, offset), LANES);
          v[lane] = nibbles(format, v[lane], 0);
        } else if (format == Q6_K) {
          // The upper bits wait for those of the other pieces.
          vi_store(block->pieces[k], v[lane], LANES);
          continue;
        }
        vi_store(block->pieces[k], (vi)_mm512_sub_epi8((__m512i)v[lane], offset), LANES);
      }
    }
    if (format == Q6_K)
      for (size_t lane = 0; lane < lanes; lane++)
        unpackSix(&to[placeOf(blocks, group, lane)]);
  }
}

// Tokens t ..< t + tokens of at most 16; what the absent ones hold does not matter.
INLINE void packActivations(Format format, const CFlashKernels_Dot *job, size_t t, size_t tokens,
                            ActivationBlock *to) {
  const size_t blocks = job->width / blockValues;
  const uint8_t *x[tileCount];
  for (size_t i = 0; i < tileCount; i++)
    x[i] = (const uint8_t *)job->activations +
           (t + smaller(i, tokens - 1)) * job->activationStride;
  for (size_t group = 0; group < groupCount(blocks); group++) {
    const size_t lanes = lanesOfGroup(blocks, group);
    vi v[16];
    UNROLL for (size_t i = 0; i < tileCount; i++)
      v[i] = vi_load(activationScales(x[i]) + 4 * groupBlocks * group, lanes);
    transposeLanes(v);
    for (size_t lane = 0; lane < lanes; lane++)
      vi_store(to[placeOf(blocks, group, lane)].scales, v[lane], LANES);
    if (format == Q4_K) {
      UNROLL for (size_t i = 0; i < tileCount; i++)
        v[i] = vi_load(activationStarts(x[i], blocks) + 4 * groupBlocks * group, lanes);
      transposeLanes(v);
      for (size_t lane = 0; lane < lanes; lane++)
        vi_store(to[placeOf(blocks, group, lane)].minusSums, v[lane], LANES);
    }
    // Two tokens of eight pieces each become two rows of 32 bytes.
    for (size_t i = 0; i < tileCount; i += 2) {
      UNROLL for (size_t k = 0; k < 16; k++)
        v[k] = vi_load(x[i + k / 8] + activationGroupOffset(format, blocks, group) +
                           4 * (k % 8) * lanes,
                       lanes);
      transposeLanes(v);
      for (size_t lane = 0; lane < lanes; lane++)
        vi_store(to[placeOf(blocks, group, lane)].values[i], v[lane], LANES);
    }
  }
}

// The blocks of one lane, `count` of them: multiply-adds into sum[token], lane = row.
INLINE void chainOfLane(Format format, const WeightBlock *w, const ActivationBlock *x, size_t count,
                        vf sum[tileCount]) {
  _Alignas(64) int32_t integer[tileCount][tileCount];
  vf total[tileCount];
  UNROLL for (int t = 0; t < tileCount; t++) total[t] = vf_set(0);
  for (size_t i = 0; i < count; i++)
    for (size_t half = 0; half < (format == Q6_K ? 2 : 1); half++) {
      TILE_ZERO(0);
      TILE_LOAD(1, x[i].values[0] + 16 * half, blockValues);
      TILE_LOAD(2, w[i].pieces[4 * half], 4 * tileCount);
      TILE_DOT_SIGNED(0, 1, 2);
      TILE_STORE(0, integer, 4 * tileCount);
      vf scale = vf_load(half == 0 ? w[i].scales : w[i].second, LANES);
      UNROLL for (int t = 0; t < tileCount; t++)
        total[t] = vf_fma(vf_from_vi(vi_load(integer[t], LANES)), scale * vf_set(x[i].scales[t]),
                          total[t]);
      if (format == Q4_K)
        UNROLL for (int t = 0; t < tileCount; t++)
          total[t] =
              vf_fma(vf_load(w[i].second, LANES), vf_set(x[i].minusSums[t]), total[t]);
    }
  UNROLL for (int t = 0; t < tileCount; t++) sum[t] = total[t];
}

// vf_sum of the 16 lanes, for 16 rows at once.
INLINE vf sumOfLanes(vf lane[groupBlocks][tileCount], size_t t) {
  vf sum[groupBlocks];
  UNROLL for (int l = 0; l < groupBlocks; l++) sum[l] = lane[l][t];
  UNROLL for (int half = groupBlocks / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++)
      sum[l] = sum[l] + sum[l + half];
  return sum[0];
}

// 16 rows from r against tokens t ..< t + tokens of at most 16.
INLINE void dotTile(Format format, const CFlashKernels_Dot *job, size_t r, size_t t, size_t tokens,
                    const WeightBlock *w, const ActivationBlock *x) {
  const size_t blocks = job->width / blockValues;
  vf sum[groupBlocks][tileCount];
  for (size_t lane = 0; lane < groupBlocks; lane++) {
    const size_t place = placeOf(blocks, 0, lane);
    const size_t count = blocks / groupBlocks + (lane < blocks % groupBlocks);
    chainOfLane(format, w + place, x + place, count, sum[lane]);
  }
  for (size_t i = 0; i < tokens; i++)
    vf_store(job->output + (t + i) * job->outputStride + r, sumOfLanes(sum, i), LANES);
}

// Whole tiles of rows against all tokens but the last few; returns how many tokens are done.
INLINE size_t dotTiles(Format format, const CFlashKernels_Dot *job, size_t rows) {
  WeightBlock weights[weightBlocks];
  ActivationBlock activations[activationBlocks];
  const size_t blocks = job->width / blockValues, most = activationBlocks / blocks * tileCount;
  const size_t pass = smaller(most, 4 * tileCount);
  size_t t = 0;
  TILE_CONFIGURE(format == Q6_K ? &halfBlocks : &wholeBlocks);
  while (t + fewestTokens <= job->tokenCount) {
    size_t end = t;
    for (; end < smaller(t + pass, job->tokenCount) && end + fewestTokens <= job->tokenCount;
         end += tileCount)
      packActivations(format, job, end, smaller(tileCount, job->tokenCount - end),
                      activations + (end - t) / tileCount * blocks);
    end = smaller(end, job->tokenCount);
    for (size_t r = 0; r < rows; r += tileCount) {
      packWeights(format, job, r, weights);
      for (size_t i = t; i < end; i += tileCount)
        dotTile(format, job, r, i, smaller(tileCount, end - i), weights,
                activations + (i - t) / tileCount * blocks);
    }
    t = end;
  }
  TILE_RELEASE();
  return t;
}

// `tiles` is dotTiles of one format; `narrow` is for what makes no tile, at the same bits.
static void dotOnTiles(size_t (*tiles)(const CFlashKernels_Dot *, size_t),
                       void (*narrow)(const CFlashKernels_Dot *), const CFlashKernels_Dot *job) {
  const size_t blocks = job->width / blockValues, rows = job->rowCount / tileCount * tileCount;
  if (job->tokenCount < fewestTokens || rows == 0 || blocks == 0 || blocks > weightBlocks) {
    narrow(job);
    return;
  }
  const size_t tokens = tiles(job, rows);
  CFlashKernels_Dot rest = *job;
  rest.tokenCount = tokens;
  rest.rowCount = job->rowCount - rows;
  rest.output = job->output + rows;
  if (job->scattered)
    rest.scattered = job->scattered + rows;
  else
    rest.rows = (const uint8_t *)job->rows + rows * job->rowStride;
  if (rest.rowCount > 0)
    narrow(&rest);
  rest = *job;
  rest.tokenCount = job->tokenCount - tokens;
  rest.activations = (const uint8_t *)job->activations + tokens * job->activationStride;
  rest.output = job->output + tokens * job->outputStride;
  if (rest.tokenCount > 0)
    narrow(&rest);
}

#include "amx_fold.h"

// A call that makes no tile is not to reach below the tiles' buffers on the stack: noinline.
#define ON_TILES(prefix, format, rows)                                                             \
  static __attribute__((noinline)) size_t tiles##format(const CFlashKernels_Dot *job, size_t n) {  \
    return dotTiles(format, job, n);                                                               \
  }                                                                                                \
  void prefix##Dot##format(const CFlashKernels_Dot *job) {                                         \
    dotOnTiles(tiles##format, CFlashKernels_avx512Table.rows.dot, job);                            \
  }                                                                                                \
  static __attribute__((noinline)) size_t folds##format(const CFlashKernels_Accumulate *job) {     \
    return foldOnTiles(format, job);                                                               \
  }                                                                                                \
  void prefix##Accumulate##format(const CFlashKernels_Accumulate *job) {                           \
    accumulateOnTiles(folds##format, CFlashKernels_avx512Table.rows.accumulate, job);              \
  }
