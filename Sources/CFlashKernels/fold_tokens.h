// The same for several tokens: a group's rows become a tile of column vectors once, in the
// first-level cache, and the tokens, two at a time, take their sums from there.

enum { tileColumns = LANES == 16 ? 8 : 4, blockTokens = 128 };

typedef struct {
  size_t count, quads;
  size_t id[neuronGroup]; // in the job
  const uint8_t *row[neuronGroup];
  // Byte i of a lane is row 4 q + i's value of that block.
  _Alignas(64) int32_t weights[foldQuads][blockValues][groupBlocks];
  // [1] is of q6_K's second 16 values.
  _Alignas(64) float scale[2][neuronGroup][groupBlocks];
  _Alignas(64) float second[neuronGroup][groupBlocks]; // what q4_K subtracts
  // For tokens that use all rows: the largest scales, and the ratios to them.
  _Alignas(64) int32_t largest[2][groupBlocks];
  _Alignas(64) float ratio[2][neuronGroup][groupBlocks];
} GroupTile;

typedef struct {
  float *accumulator;
  unsigned quads; // bit q: it uses a row of quad q
  // [1] is of q6_K's second 16 values.
  _Alignas(64) int32_t x[2][foldQuads][groupBlocks];
  _Alignas(64) int32_t start[2][groupBlocks];
  _Alignas(64) float scale[2][groupBlocks];
  _Alignas(64) float rest[groupBlocks]; // of q4_K
} TokenFold;

INLINE void loadTileQuad(Format format, const Quad *quad, size_t data,
                         int32_t weights[blockValues][groupBlocks]) {
  const size_t piece = 4 * groupBlocks;
  for (size_t lane = 0; lane < groupBlocks; lane += LANES)
    for (size_t k = 0; k < 4; k++) {
      vi low[4], high[4];
      columnPair(format, quad, quadRows, k, data + k * piece + 4 * lane, piece, LANES, low, high);
      UNROLL for (size_t c = 0; c < 4; c++) {
        if (keepsNibbles(format))
          high[c] = nibbles(format, high[c], 4);
        // Back from the rotation by c bytes, so that the bytes of a lane are in the rows' order.
        const int bits = (32 - 8 * (int)c) % 32;
        vi_store(&weights[4 * k + c][lane], vi_rotate(low[c], bits), LANES);
        vi_store(&weights[4 * k + c + 16][lane], vi_rotate(high[c], bits), LANES);
      }
    }
}

// The rows of the next group that one of the tokens uses; false if there is none.
INLINE int nextTile(const CFlashKernels_Accumulate *job, size_t t0, size_t tokens, size_t *next,
                    GroupTile *tile) {
  size_t group = 0;
  tile->count = 0;
  for (; *next < job->rowCount; ++*next) {
    int isUsed = 0;
    for (size_t t = t0; t < t0 + tokens && !isUsed; t++)
      isUsed = job->coefficients[t * job->coefficientStride + *next] != 0;
    if (!isUsed)
      continue;
    if (tile->count == 0)
      group = groupOfRow(job, *next);
    else if (groupOfRow(job, *next) != group)
      break;
    tile->id[tile->count] = *next;
    tile->row[tile->count++] = (const uint8_t *)job->rows[*next];
  }
  tile->quads = (tile->count + quadRows - 1) / quadRows;
  return tile->count > 0;
}

INLINE void loadTile(Format format, size_t width, size_t group, GroupTile *tile) {
  const size_t blocks = width / blockValues;
  for (size_t q = 0; q < tile->quads; q++) {
    Quad quad;
    for (size_t i = 0; i < quadRows; i++)
      quad.row[i] = tile->row[smaller(q * quadRows + i, tile->count - 1)];
    loadTileQuad(format, &quad, groupOffset(format, blocks, group), tile->weights[q]);
  }
  for (size_t lane = 0; lane < groupBlocks; lane += LANES) {
    vi largest[2] = {vi_set(0), vi_set(0)};
    for (size_t r = 0; r < tile->count; r++) {
      const BlockScales scales =
          blockScales(format, tile->row[r], group, groupBlocks, lane, LANES);
      const vf of[2] = {scales.scale, scales.second};
      UNROLL for (int half = 0; half <= secondOf(format); half++) {
        vf_store(&tile->scale[half][r][lane], of[half], LANES);
        largest[half] = vi_max(largest[half], vi_bits(vf_abs(of[half])));
      }
      if (format == Q4_K)
        vf_store(&tile->second[r][lane], scales.second, LANES);
    }
    UNROLL for (int half = 0; half <= secondOf(format); half++) {
      vf inverse = inverseOfLargest(vf_bits(largest[half]));
      vi_store(&tile->largest[half][lane], largest[half], LANES);
      for (size_t r = 0; r < tile->count; r++)
        vf_store(&tile->ratio[half][r][lane],
                 vf_load(&tile->scale[half][r][lane], LANES) * inverse, LANES);
    }
  }
}

// A token's outputs for the tile's rows, and zero for rows that are not there.
typedef struct {
  float unit;      // A / 127
  unsigned used;   // rows
  unsigned quads;  // bit q: it uses a row of quad q
  _Alignas(64) float scaled[neuronGroup];
  _Alignas(64) uint32_t magnitude[neuronGroup];
} TileOutputs;

// Loops without a branch, which the compiler turns into vectors.
INLINE void outputsOfTile(const float *outputs, const GroupTile *tile, TileOutputs *to) {
  memset(to->scaled, 0, sizeof to->scaled);
  if (tile->count == neuronGroup) // all of the group, side by side
    memcpy(to->scaled, outputs + tile->id[0], sizeof to->scaled);
  else
    for (size_t r = 0; r < tile->count; r++)
      to->scaled[r] = outputs[tile->id[r]];
  uint32_t largest = 0, used = 0, quads = 0;
  for (size_t r = 0; r < neuronGroup; r++) {
    const uint32_t bits = bitsFromFloat(to->scaled[r]) & 0x7fffffff;
    to->magnitude[r] = bits;
    largest = bits > largest ? bits : largest;
    used += bits != 0;
  }
  for (size_t q = 0; q < foldQuads; q++) {
    const uint32_t *of = to->magnitude + q * quadRows;
    quads |= (uint32_t)((of[0] | of[1] | of[2] | of[3]) != 0) << q;
  }
  for (size_t r = 0; r < neuronGroup; r++)
    to->scaled[r] = scaledOutput(to->scaled[r], floatFromBits(largest));
  to->unit = floatFromBits(largest) / 127;
  to->used = used;
  to->quads = quads;
}

// One token's coefficients for LANES of the tile's blocks, or for a half of them; `isSparse`, a
// constant, where it does not use all rows.
INLINE void foldHalf(Format format, const GroupTile *tile, const TileOutputs *outputs, int isSparse,
                     int half, size_t lane, TokenFold *to) {
  vi largest = vi_load(&tile->largest[half][lane], LANES), sum = vi_set(0);
  vf inverse = vf_set(0);
  if (isSparse) {
    largest = vi_set(0);
    for (size_t r = 0; r < tile->count; r++)
      if (outputs->magnitude[r] != 0)
        largest = vi_max(largest, vi_bits(vf_abs(vf_load(&tile->scale[half][r][lane], LANES))));
    inverse = inverseOfLargest(vf_bits(largest));
  }
  for (size_t q = 0; q < tile->quads; q++) {
    if (isSparse && !(outputs->quads >> q & 1))
      continue;
    vi rounded[quadRows];
    UNROLL for (size_t i = 0; i < quadRows; i++) {
      const size_t r = q * quadRows + i;
      vf ratio = isSparse ? vf_load(&tile->scale[half][r][lane], LANES) * inverse
                          : vf_load(&tile->ratio[half][r][lane], LANES);
      rounded[i] = vi_round(vf_set(outputs->scaled[r]) * ratio);
      sum = vi_add(sum, rounded[i]);
      rounded[i] &= vi_set(0xff);
    }
    vi_store(&to->x[half][q][lane], packBytes(rounded[0], rounded[1], rounded[2], rounded[3]),
             LANES);
  }
  vi_store(&to->start[half][lane], foldStart(format, sum), LANES);
  vf_store(&to->scale[half][lane], vf_set(outputs->unit) * vf_bits(largest), LANES);
}

INLINE void foldOutputs(Format format, const GroupTile *tile, const TileOutputs *outputs,
                        int isSparse, TokenFold *to) {
  for (size_t lane = 0; lane < groupBlocks; lane += LANES) {
    UNROLL for (int half = 0; half <= secondOf(format); half++)
      foldHalf(format, tile, outputs, isSparse, half, lane, to);
    if (format != Q4_K)
      continue;
    vf rest = vf_set(0);
    for (size_t r = 0; r < tile->count; r++)
      if (!isSparse || outputs->magnitude[r] != 0) {
        const BlockScales scales = {vf_load(&tile->scale[0][r][lane], LANES),
                                    vf_load(&tile->second[r][lane], LANES)};
        rest = addRest4(scales, outputs->scaled[r], rest);
      }
    vf_store(&to->rest[lane], vf_set(outputs->unit) * rest, LANES);
  }
}

// False if the token uses none of the rows.
INLINE int foldTile(Format format, const CFlashKernels_Accumulate *job, const GroupTile *tile,
                    size_t t, TokenFold *to) {
  TileOutputs outputs;
  outputsOfTile(job->coefficients + t * job->coefficientStride, tile, &outputs);
  to->quads = outputs.quads;
  if (outputs.used == tile->count)
    foldOutputs(format, tile, &outputs, 0, to);
  else if (outputs.used > 0)
    foldOutputs(format, tile, &outputs, 1, to);
  return outputs.used > 0;
}

// `tokens` is a constant; all of them use the quads of `list`, some with zeros.
INLINE void addFolds(Format format, const GroupTile *tile, const TokenFold fold[pairTokens],
                     int tokens, const int *list, int count) {
  for (size_t lane = 0; lane < groupBlocks; lane += LANES)
    for (size_t e = 0; e < blockValues; e += tileColumns) {
      const size_t half = secondOf(format) ? e / 16 : 0;
      vi sum[pairTokens][tileColumns];
      UNROLL for (int t = 0; t < tokens; t++)
        UNROLL for (int c = 0; c < tileColumns; c++)
          sum[t][c] = vi_load(&fold[t].start[half][lane], LANES);
      for (int i = 0; i < count; i++) {
        const int q = list[i];
        vi x[pairTokens];
        UNROLL for (int t = 0; t < tokens; t++) x[t] = vi_load(&fold[t].x[half][q][lane], LANES);
        UNROLL for (int c = 0; c < tileColumns; c++) {
          vi w = vi_load(&tile->weights[q][e + (size_t)c][lane], LANES);
          UNROLL for (int t = 0; t < tokens; t++)
            sum[t][c] = dotUnsigned(format, sum[t][c], w, x[t]);
        }
      }
      UNROLL for (int t = 0; t < tokens; t++) {
        vf scale = vf_load(&fold[t].scale[half][lane], LANES);
        float *to = fold[t].accumulator + e * groupBlocks + lane;
        UNROLL for (int c = 0; c < tileColumns; c++) {
          vf total = vf_load(to + c * groupBlocks, LANES);
          if (format == Q4_K)
            total = total + vf_load(&fold[t].rest[lane], LANES);
          vf_store(to + c * groupBlocks, vf_fma(vf_from_vi(sum[t][c]), scale, total), LANES);
        }
      }
    }
}

INLINE void addFoldPair(Format format, const GroupTile *tile, TokenFold fold[pairTokens],
                        int tokens) {
  int list[foldQuads], count = 0;
  const unsigned all = fold[0].quads | (tokens == 2 ? fold[1].quads : 0);
  for (int q = 0; q < (int)tile->quads; q++)
    if (all >> q & 1) {
      for (int t = 0; t < tokens; t++)
        if (!(fold[t].quads >> q & 1))
          for (int half = 0; half <= secondOf(format); half++)
            memset(fold[t].x[half][q], 0, sizeof fold[t].x[half][q]);
      list[count++] = q;
    }
  if (tokens == 2)
    addFolds(format, tile, fold, 2, list, count);
  else
    addFolds(format, tile, fold, 1, list, count);
}

// Columns first ..< first + 512 of tokens t ..< t + tokens.
INLINE void foldColumns(Format format, const CFlashKernels_Accumulate *job, size_t first, size_t t,
                        size_t tokens) {
  GroupTile tile;
  TokenFold fold[pairTokens];
  memset(tile.scale, 0, sizeof tile.scale);
  memset(tile.ratio, 0, sizeof tile.ratio);
  size_t next = 0;
  while (nextTile(job, t, tokens, &next, &tile)) {
    loadTile(format, job->width, first / groupValues, &tile);
    for (size_t r = next; r < smaller(next + neuronGroup, job->rowCount); r++)
      prefetchGroup(format, (const uint8_t *)job->rows[r], job->width / blockValues,
                    first / groupValues);
    int waiting = 0;
    for (size_t i = t; i < t + tokens; i++) {
      fold[waiting].accumulator = job->accumulators + i * job->accumulatorStride + first;
      waiting += foldTile(format, job, &tile, i, &fold[waiting]);
      if (waiting == pairTokens) {
        addFoldPair(format, &tile, fold, pairTokens);
        waiting = 0;
      }
    }
    if (waiting > 0)
      addFoldPair(format, &tile, fold, 1);
  }
}

INLINE void foldTokens(Format format, const CFlashKernels_Accumulate *job) {
  size_t first = job->firstColumn;
  for (; first + groupValues <= job->endColumn; first += groupValues)
    for (size_t t = 0; t < job->tokenCount; t += blockTokens)
      foldColumns(format, job, first, t, smaller(blockTokens, job->tokenCount - t));
  if (first < job->endColumn)
    for (size_t t = 0; t < job->tokenCount; t++)
      foldToken(format, job, t, first, job->endColumn);
}

INLINE void accumulate(Format format, const CFlashKernels_Accumulate *job) {
  // For few tokens the way through the tile costs more than it saves.
  const int isTiled = job->tokenCount > 4;
  if (isQuantized(format) && isTiled)
    foldTokens(format, job);
  else if (isTiled)
    accumulateTokens(format, job);
  else
    for (size_t t = 0; t < job->tokenCount; t++)
      if (isQuantized(format))
        foldToken(format, job, t, job->firstColumn, job->endColumn);
      else
        accumulateToken(format, job, t);
}
