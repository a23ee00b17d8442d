// The same for several tokens: a tile of eight rows by 512 columns becomes floats once, in the
// first-level cache, and the tokens, two at a time, take the rows they use from there. Each
// element's chain is that of a token alone.

enum { pairTokens = 2, tileValues = 512, tileVectors = LANES == 16 ? 8 : 4 };

typedef struct {
  size_t count;
  size_t id[batchRows]; // in the job
  const uint8_t *row[batchRows];
  _Alignas(64) float values[batchRows][tileValues];
} RowTile;

// The rows that two tokens use.
typedef struct {
  size_t count;
  const float *values[batchRows];
  int used[batchRows]; // bit t: by token t of the pair
  float coefficient[batchRows][pairTokens];
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

INLINE void loadTileRow(Format format, const uint8_t *row, size_t first, float *values) {
  for (size_t i = 0; i < tileValues; i += LANES)
    vf_store(values + i, loadValues(format, row, first + i, LANES), LANES);
}

// One row of the tile, for the tokens whose bits are set in the constant `used`.
INLINE void addTileRow(const float *from, const float coefficient[pairTokens], int used,
                       vf sum[pairTokens][tileVectors]) {
  vf first = vf_set(coefficient[0]), second = vf_set(coefficient[1]);
  UNROLL for (int v = 0; v < tileVectors; v++) {
    vf w = vf_load(from + v * LANES, LANES);
    if (used & 1)
      sum[0][v] = vf_fma(first, w, sum[0][v]);
    if (used & 2)
      sum[1][v] = vf_fma(second, w, sum[1][v]);
  }
}

// accumulator: [tokens], where the tile's first column belongs; `tokens` is a constant.
INLINE void addTile(const TileUse *use, int tokens, float *const accumulator[pairTokens]) {
  for (size_t at = 0; at < tileValues; at += tileVectors * LANES) {
    vf sum[pairTokens][tileVectors];
    UNROLL for (int t = 0; t < tokens; t++)
      UNROLL for (int v = 0; v < tileVectors; v++)
        sum[t][v] = vf_load(accumulator[t] + at + v * LANES, LANES);
    for (size_t r = 0; r < use->count; r++) {
      const float *from = use->values[r] + at;
      if (tokens == 2 && use->used[r] == 3)
        addTileRow(from, use->coefficient[r], 3, sum);
      else if (tokens == 2 && use->used[r] == 2)
        addTileRow(from, use->coefficient[r], 2, sum);
      else
        addTileRow(from, use->coefficient[r], 1, sum);
    }
    UNROLL for (int t = 0; t < tokens; t++)
      UNROLL for (int v = 0; v < tileVectors; v++)
        vf_store(accumulator[t] + at + v * LANES, sum[t][v], LANES);
  }
}

INLINE TileUse usesOfTile(const CFlashKernels_Accumulate *job, const RowTile *tile, size_t t,
                          int tokens) {
  TileUse use;
  use.count = 0;
  for (size_t r = 0; r < tile->count; r++) {
    int used = 0;
    for (int i = 0; i < pairTokens; i++) {
      const float c = i < tokens ? coefficientOf(job, t + (size_t)i, tile->id[r]) : 0;
      used |= (c != 0) << i;
      use.coefficient[use.count][i] = c;
    }
    use.values[use.count] = tile->values[r];
    use.used[use.count] = used;
    use.count += used != 0;
  }
  return use;
}

// Adds the tile's columns first ..< first + 512 to the accumulators of all tokens.
INLINE void addTileToTokens(const CFlashKernels_Accumulate *job, const RowTile *tile,
                            size_t first) {
  float *const start = job->accumulators + first;
  size_t t = 0;
  for (; t + pairTokens <= job->tokenCount; t += pairTokens) {
    const TileUse use = usesOfTile(job, tile, t, pairTokens);
    float *const pair[] = {start + t * job->accumulatorStride,
                           start + (t + 1) * job->accumulatorStride};
    addTile(&use, pairTokens, pair);
  }
  if (t < job->tokenCount) {
    const TileUse use = usesOfTile(job, tile, t, 1);
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
    plainBatch(format, &batch, &none, first, job->endColumn,
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
    for (; first + tileValues <= job->endColumn; first += tileValues) {
      for (size_t r = 0; r < tile.count; r++)
        loadTileRow(format, tile.row[r], first, tile.values[r]);
      addTileToTokens(job, &tile, first);
    }
    if (first < job->endColumn)
      addRest(format, job, &tile, first);
  }
}

