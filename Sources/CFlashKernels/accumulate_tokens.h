// Accumulation for several tokens: a tile of eight rows by 512 columns becomes floats once, in the
// first-level cache, and the tokens, two at a time, take the rows they use from there. Each
// element's chain is that of a token alone.

enum { pairTokens = 2, tileVectors = LANES == 16 ? 8 : 4 };

typedef struct {
  size_t count;
  size_t id[batchRows]; // in the job
  const uint8_t *row[batchRows];
  _Alignas(64) float values[batchRows][groupValues]; // in packed order, before the block's scale
} RowTile;

// The rows that two tokens use, and their coefficients times the scales of the tile's 16 blocks.
typedef struct {
  size_t count;
  const float *values[batchRows];
  int used[batchRows]; // bit t: by token t of the pair
  _Alignas(64) float scaled[batchRows][pairTokens][groupBlocks];
} TileUse;

INLINE float coefficientOf(const CFlashKernels_Accumulate *job, size_t t, size_t r) {
  return job->coefficients[t * job->coefficientStride + r];
}

INLINE int isUsed(const CFlashKernels_Accumulate *job, size_t r) {
  for (size_t t = 0; t < job->tokenCount; t++)
    if (coefficientOf(job, t, r) != 0)
      return 1;
  return 0;
}

// The values of one row in columns first ..< first + 512: a whole group, if quantized.
INLINE void loadTileRow(Format format, const uint8_t *row, size_t width, size_t first,
                        float *values) {
  if (!isQuantized(format)) {
    for (size_t i = 0; i < groupValues; i += LANES)
      vf_store(values + i, loadValues(format, row, first + i, LANES), LANES);
    return;
  }
  const uint8_t *data = row + groupOffset(format, width / blockValues, first / groupValues);
  for (size_t k = 0; k < pieceCount(format); k++)
    for (size_t lane = 0; lane < groupBlocks; lane += LANES) {
      vi piece = vi_load(data + 4 * (k * groupBlocks + lane), LANES);
      UNROLL for (int m = 0; m < valuesPerPiece(format); m++)
        vf_store(values + pieceIndex(format, k, m) * groupBlocks + lane,
                 pieceValue(format, piece, m), LANES);
    }
}

// One row of the tile, for the tokens whose bits are set in the constant `used`.
INLINE void addTileRow(const float *from, const float scaled[pairTokens][groupBlocks], size_t lane,
                       int used, vf sum[pairTokens][tileVectors]) {
  vf first = vf_load(&scaled[0][lane], LANES), second = vf_load(&scaled[1][lane], LANES);
  UNROLL for (int v = 0; v < tileVectors; v++) {
    vf w = vf_load(from + v * groupBlocks, LANES);
    if (used & 1)
      sum[0][v] = vf_fma(first, w, sum[0][v]);
    if (used & 2)
      sum[1][v] = vf_fma(second, w, sum[1][v]);
  }
}

// accumulator: [tokens], where the tile's first column belongs; `tokens` is a constant.
INLINE void addTile(const TileUse *use, int tokens, float *const accumulator[pairTokens]) {
  for (size_t lane = 0; lane < groupBlocks; lane += LANES)
    for (size_t e = 0; e < blockValues; e += tileVectors) {
      const size_t at = e * groupBlocks + lane;
      vf sum[pairTokens][tileVectors];
      UNROLL for (int t = 0; t < tokens; t++)
        UNROLL for (int v = 0; v < tileVectors; v++)
          sum[t][v] = vf_load(accumulator[t] + at + v * groupBlocks, LANES);
      for (size_t r = 0; r < use->count; r++) {
        const float *from = use->values[r] + at;
        if (tokens == 2 && use->used[r] == 3)
          addTileRow(from, use->scaled[r], lane, 3, sum);
        else if (tokens == 2 && use->used[r] == 2)
          addTileRow(from, use->scaled[r], lane, 2, sum);
        else
          addTileRow(from, use->scaled[r], lane, 1, sum);
      }
      UNROLL for (int t = 0; t < tokens; t++)
        UNROLL for (int v = 0; v < tileVectors; v++)
          vf_store(accumulator[t] + at + v * groupBlocks, sum[t][v], LANES);
    }
}

INLINE TileUse usesOfTile(Format format, const CFlashKernels_Accumulate *job, const RowTile *tile,
                          size_t t, int tokens, size_t first) {
  TileUse use;
  use.count = 0;
  for (size_t r = 0; r < tile->count; r++) {
    int used = 0;
    for (int i = 0; i < tokens; i++) {
      const float c = coefficientOf(job, t + (size_t)i, tile->id[r]);
      used |= (c != 0) << i;
      for (size_t lane = 0; lane < groupBlocks; lane += LANES) {
        vf scaled = vf_set(c);
        if (isQuantized(format))
          scaled = scaled * vf_load_f16(tile->row[r] + 2 * (first / blockValues + lane), LANES);
        vf_store(&use.scaled[use.count][i][lane], scaled, LANES);
      }
    }
    use.values[use.count] = tile->values[r];
    use.used[use.count] = used;
    use.count += used != 0;
  }
  return use;
}

// Adds the tile's columns first ..< first + 512 to the accumulators of all tokens.
INLINE void addTileToTokens(Format format, const CFlashKernels_Accumulate *job, const RowTile *tile,
                            size_t first) {
  float *const start = job->accumulators + first;
  size_t t = 0;
  for (; t + pairTokens <= job->tokenCount; t += pairTokens) {
    const TileUse use = usesOfTile(format, job, tile, t, pairTokens, first);
    float *const pair[] = {start + t * job->accumulatorStride,
                           start + (t + 1) * job->accumulatorStride};
    addTile(&use, pairTokens, pair);
  }
  if (t < job->tokenCount) {
    const TileUse use = usesOfTile(format, job, tile, t, 1, first);
    float *const last[pairTokens] = {start + t * job->accumulatorStride};
    addTile(&use, 1, last);
  }
}

// What is left of the columns beyond the last whole 512, token by token.
INLINE void addRest(Format format, const CFlashKernels_Accumulate *job, const RowTile *tile,
                    size_t first) {
  const Batch none = {0};
  for (size_t t = 0; t < job->tokenCount; t++) {
    Batch batch = {0};
    for (size_t r = 0; r < tile->count; r++) {
      const float c = coefficientOf(job, t, tile->id[r]);
      if (c != 0) {
        batch.row[batch.count] = tile->row[r];
        batch.coefficient[batch.count++] = c;
      }
    }
    accumulateBatch(format, &batch, &none, job->width, first, job->endColumn,
                    job->accumulators + t * job->accumulatorStride);
  }
}

INLINE void accumulateTokens(Format format, const CFlashKernels_Accumulate *job) {
  RowTile tile;
  size_t next = 0;
  while (next < job->rowCount) {
    for (tile.count = 0; next < job->rowCount && tile.count < batchRows; next++)
      if (isUsed(job, next)) {
        tile.id[tile.count] = next;
        tile.row[tile.count++] = job->rows[next];
      }
    size_t first = job->firstColumn;
    for (; first + groupValues <= job->endColumn; first += groupValues) {
      for (size_t r = 0; r < tile.count; r++)
        loadTileRow(format, tile.row[r], job->width, first, tile.values[r]);
      addTileToTokens(format, job, &tile, first);
    }
    if (first < job->endColumn)
      addRest(format, job, &tile, first);
  }
}

INLINE void accumulate(Format format, const CFlashKernels_Accumulate *job) {
  // For four tokens or fewer the way through the tile costs more than it saves.
  if (job->tokenCount > 4)
    accumulateTokens(format, job);
  else
    for (size_t t = 0; t < job->tokenCount; t++)
      accumulateToken(format, job, t);
}
