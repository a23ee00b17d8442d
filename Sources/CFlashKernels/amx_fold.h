// fold_tokens.h's sums on AMX tiles, to its bits: for one block of columns, 16 tokens' coefficients
// of a group of 32 neurons against half of the block's columns are one tile multiplication.
//
// A block has its own coefficients, so a tile is of one block, and its sums lie column beside
// column; the accumulators' packed order has blocks side by side. They are turned over, in place,
// for the length of a call.

// One group of neurons: piece q has the signed bytes of rows 4 q ..< 4 q + 4 in 16 columns.
typedef struct {
  _Alignas(64) int32_t pieces[groupBlocks][2][foldQuads][tileCount];
} FoldWeights;

// 16 tokens' coefficients of the group.
typedef struct {
  size_t count;
  int isUsed[tileCount]; // a token that uses none of the neurons is not to change by a bit
  // [1] is of q6_K's second 16 values.
  _Alignas(64) int8_t x[2][groupBlocks][tileCount][neuronGroup];
  _Alignas(64) float scale[2][tileCount][groupBlocks];
  _Alignas(64) float rest[tileCount][groupBlocks]; // of q4_K
} FoldActivations;

// 512 accumulators from [value in block][block] to [block][value], or back.
INLINE void turnAccumulators(float *accumulator, int isBack) {
  vi v[2][16];
  UNROLL for (int half = 0; half < 2; half++) {
    UNROLL for (int i = 0; i < 16; i++)
      v[half][i] = vi_load(accumulator + (isBack ? 2 * i + half : 16 * half + i) * 16, LANES);
    transposeLanes(v[half]);
  }
  UNROLL for (int half = 0; half < 2; half++) UNROLL for (int i = 0; i < 16; i++)
    vi_store(accumulator + (isBack ? 16 * half + i : 2 * i + half) * 16, v[half][i], LANES);
}

INLINE void packFoldWeights(Format format, const GroupTile *tile, FoldWeights *to) {
  const __m512i offset = _mm512_set1_epi8((char)(1 << offsetBits(format)));
  for (size_t q = 0; q < foldQuads; q++)
    for (size_t half = 0; half < 2; half++) {
      vi v[16];
      UNROLL for (size_t i = 0; i < 16; i++) {
        __m512i w = (__m512i)vi_load(tile->weights[q][16 * half + i], LANES);
        v[i] = q < tile->quads ? (vi)_mm512_sub_epi8(w, offset) : vi_set(0);
      }
      transposeLanes(v);
      UNROLL for (size_t lane = 0; lane < 16; lane++)
        vi_store(to->pieces[lane][half][q], v[lane], LANES);
    }
}

// Tokens t ..< t + to->count.
INLINE void packFolds(Format format, const CFlashKernels_Accumulate *job, const GroupTile *tile,
                      size_t t, FoldActivations *to) {
  TokenFold fold[2];
  for (size_t i = 0; i < tileCount; i += 2) {
    for (size_t j = 0; j < 2; j++) {
      to->isUsed[i + j] = i + j < to->count && foldTile(format, job, tile, t + i + j, &fold[j]);
      if (format == Q4_K && to->isUsed[i + j])
        vi_store(to->rest[i + j], vi_load(fold[j].rest, LANES), LANES);
    }
    UNROLL for (int half = 0; half <= secondOf(format); half++) {
      vi v[16];
      UNROLL for (size_t j = 0; j < 2; j++) {
        UNROLL for (size_t q = 0; q < foldQuads; q++)
          v[8 * j + q] = to->isUsed[i + j] && (fold[j].quads >> q & 1)
                             ? vi_load(fold[j].x[half][q], LANES)
                             : vi_set(0);
        if (to->isUsed[i + j])
          vi_store(to->scale[half][i + j], vi_load(fold[j].scale[half], LANES), LANES);
      }
      transposeLanes(v);
      UNROLL for (size_t lane = 0; lane < 16; lane++)
        vi_store(to->x[half][lane][i], v[lane], LANES);
    }
  }
}

// accumulators: of the first token, turned.
INLINE void addFoldsOnTiles(Format format, const FoldWeights *w, const FoldActivations *x,
                            float *accumulators, size_t stride) {
  _Alignas(64) int32_t integer[2][tileCount][tileCount];
  for (size_t lane = 0; lane < groupBlocks; lane++) {
    for (int half = 0; half < 2; half++) {
      if (half <= secondOf(format))
        TILE_LOAD(1, x->x[half][lane], neuronGroup);
      TILE_ZERO(0);
      TILE_LOAD(2, w->pieces[lane][half], 4 * tileCount);
      TILE_DOT_SIGNED(0, 1, 2);
      TILE_STORE(0, integer[half], 4 * tileCount);
    }
    for (size_t t = 0; t < x->count; t++) {
      if (!x->isUsed[t])
        continue;
      float *to = accumulators + t * stride + lane * blockValues;
      UNROLL for (int half = 0; half < 2; half++) {
        vf scale = vf_set(x->scale[half & secondOf(format)][t][lane]);
        vf total = vf_load(to + 16 * half, LANES);
        if (format == Q4_K)
          total = total + vf_set(x->rest[t][lane]);
        vf_store(to + 16 * half, vf_fma(vf_from_vi(vi_load(integer[half][t], LANES)), scale, total),
                 LANES);
      }
    }
  }
}

// Columns first ..< first + 512 of all tokens.
INLINE void foldColumnsOnTiles(Format format, const CFlashKernels_Accumulate *job, size_t first) {
  GroupTile tile;
  FoldWeights weights;
  FoldActivations activations;
  float *const accumulators = job->accumulators + first;
  memset(tile.scale, 0, sizeof tile.scale);
  memset(tile.ratio, 0, sizeof tile.ratio);
  for (size_t t = 0; t < job->tokenCount; t++)
    turnAccumulators(accumulators + t * job->accumulatorStride, 0);
  size_t next = 0;
  while (nextTile(job, 0, job->tokenCount, &next, &tile)) {
    loadTile(format, job->width, first / groupValues, &tile);
    for (size_t r = next; r < smaller(next + neuronGroup, job->rowCount); r++)
      prefetchGroup(format, (const uint8_t *)job->rows[r], job->width / blockValues,
                    first / groupValues);
    packFoldWeights(format, &tile, &weights);
    for (size_t t = 0; t < job->tokenCount; t += tileCount) {
      activations.count = smaller(tileCount, job->tokenCount - t);
      packFolds(format, job, &tile, t, &activations);
      addFoldsOnTiles(format, &weights, &activations, accumulators + t * job->accumulatorStride,
                      job->accumulatorStride);
    }
  }
  for (size_t t = 0; t < job->tokenCount; t++)
    turnAccumulators(accumulators + t * job->accumulatorStride, 1);
}

// Whole groups of 16 blocks; returns the column at which they end.
INLINE size_t foldOnTiles(Format format, const CFlashKernels_Accumulate *job) {
  size_t first = job->firstColumn;
  TILE_CONFIGURE(&wholeBlocks);
  for (; first + groupValues <= job->endColumn; first += groupValues)
    foldColumnsOnTiles(format, job, first);
  TILE_RELEASE();
  return first;
}

static void accumulateOnTiles(size_t (*wide)(const CFlashKernels_Accumulate *),
                              void (*narrow)(const CFlashKernels_Accumulate *),
                              const CFlashKernels_Accumulate *job) {
  CFlashKernels_Accumulate rest = *job;
  if (job->tokenCount >= fewestTokens)
    rest.firstColumn = wide(job);
  if (rest.firstColumn < rest.endColumn)
    narrow(&rest);
}
