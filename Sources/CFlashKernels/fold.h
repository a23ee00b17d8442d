// Down rows of the quantized formats, added in groups of 32 consecutive neurons of the layer.
//
// A neuron's output is folded into its row's block scales: for one token and one block of columns,
// neuron i of a group counts a_i * d_i (output times scale). With A the largest |a_i| and D the
// largest |d_i| of the group's neurons that this token uses,
//
//   q_i = round(a_i / A * 127 * (d_i * (1 / D))), to nearest even, -127 ... 127
//   sum of a column += (sum over the group of q_i * weight_i) * ((A / 127) * D)
//
// The sum of integers is exact, in whatever order; one multiply-add a group and element rounds. An
// activation is as exact as in GGML, whose q8_0 has one scale for 32 values too. Groups are those
// of the neuron's index in its layer, whatever else is in the call: a neuron that is silent changes
// neither A, D nor q. The largest output is divided, so that it becomes 127 to the bit: where its
// scale is half of D, as many are in mxfp4, 63.5 goes to 64 whatever the last bit of A.
//
// A q6_K row has a scale d_i for each half of a block, and its column its half's D and q. A q4_K
// row's weight is s_i * integer - m_i = s_i * (integer - 8) + r_i, r_i = 8 s_i - m_i, of integers
// that are never negative: s_i is its d_i, the integers are taken 8 less, so that rounding q moves
// no more than it does in q4_0, and the rest is added in f32, before the multiply-add:
//
//   sum of a column += (A / 127) * (sum over the group, ascending, of a_i / A * 127 * r_i)

enum { quadRows = 4, foldQuads = neuronGroup / quadRows };

typedef struct {
  int rows; // 1 ... 4; the others repeat the last one, times zero
  const uint8_t *row[quadRows];
  float output[quadRows]; // over A, times 127
} Quad;

// What one token uses of one group.
typedef struct {
  size_t firstQuad, endQuad;
  float unit; // A / 127
} Fold;

// As many groups as have 32 rows or less together, so that few accumulators are loaded often.
typedef struct {
  size_t folds, quads;
  Fold fold[foldQuads];
  Quad quad[foldQuads];
} FoldBatch;

INLINE size_t groupOfRow(const CFlashKernels_Accumulate *job, size_t r) {
  return (job->firstNeuron + (job->neurons ? (size_t)job->neurons[r] : r)) / neuronGroup;
}

INLINE float magnitude(float x) { return floatFromBits(bitsFromFloat(x) & 0x7fffffff); }

// Compared as integers: a NaN is larger than every number.
INLINE float largerMagnitude(float largest, float x) {
  return (bitsFromFloat(x) & 0x7fffffff) > bitsFromFloat(largest) ? magnitude(x) : largest;
}

// 0 where the output or the group's largest is no number; the unit says so then.
INLINE float scaledOutput(float output, float largest) {
  const float scaled = output / largest * 127;
  return magnitude(scaled) < 128 ? scaled : 0;
}

// Rows with an output other than zero from *next on, of one group; false if there are none, or more
// than fit into the batch.
INLINE int appendFold(const CFlashKernels_Accumulate *job, const float *outputs, size_t *next,
                      FoldBatch *batch) {
  const size_t first = batch->quads;
  size_t r = *next, group = 0, count = 0, quads = first;
  float largest = 0;
  for (; r < job->rowCount; r++) {
    if (outputs[r] == 0)
      continue;
    if (count == 0)
      group = groupOfRow(job, r);
    else if (groupOfRow(job, r) != group)
      break;
    if (count % quadRows == 0 && quads++ == foldQuads)
      return 0;
    Quad *quad = &batch->quad[quads - 1];
    const size_t place = count++ % quadRows;
    quad->rows = (int)place + 1;
    for (size_t i = place; i < quadRows; i++) {
      quad->row[i] = (const uint8_t *)job->rows[r];
      quad->output[i] = i == place ? outputs[r] : 0;
    }
    largest = largerMagnitude(largest, outputs[r]);
  }
  *next = r;
  if (count == 0)
    return 0;
  for (size_t q = first; q < quads; q++)
    for (size_t i = 0; i < quadRows; i++)
      batch->quad[q].output[i] = scaledOutput(batch->quad[q].output[i], largest);
  batch->fold[batch->folds++] =
      (Fold){.firstQuad = first, .endQuad = quads, .unit = largest / 127};
  batch->quads = quads;
  return 1;
}

INLINE void nextFolds(const CFlashKernels_Accumulate *job, const float *outputs, size_t *next,
                      FoldBatch *batch) {
  batch->folds = batch->quads = 0;
  while (batch->quads < foldQuads && appendFold(job, outputs, next, batch))
    ;
}

// Modulo 2^32: what is rounded from a scale that is no number, or infinite, may be any.
INLINE vi vi_add(vi a, vi b) { return (vi)((vu)a + (vu)b); }
INLINE vi vi_subtract(vi a, vi b) { return (vi)((vu)a - (vu)b); }

INLINE vi vi_rotate(vi v, int bits) {
  return bits == 0 ? v : vi_shiftLeft(v, bits) | vi_shiftRight(v, 32 - bits);
}

// 0 of zero, and of mxfp4's smallest scale, whose inverse is beyond f32.
INLINE vf inverseOfLargest(vf largest) {
  return vf_whereGreater(largest, vf_set(0x1p-128f), vf_set(1) / largest, vf_set(0));
}

// Adds one row's rest, in units of A / 127.
INLINE vf addRest4(BlockScales scales, float output, vf rest) {
  return vf_fma(vf_set(output), vf_set(8) * scales.scale - scales.second, rest);
}

INLINE vi foldStart(Format format, vi sum) {
  vi start = vi_subtract(vi_set(0), vi_shiftLeft(sum, offsetBits(format)));
  return format == Q8_0 ? vi_startBytes(start) : start;
}

INLINE vi dotUnsigned(Format format, vi sum, vi w, vi x) {
  return format == Q8_0 ? vi_dotBytes(sum, w, x) : vi_dotSmall(sum, w, x);
}

// Bytes 0 ... 3 of four rows' pieces become column vectors: in column[c], byte (c + i) % 4 of each
// lane is byte c of row i. Of two rows the other bytes are undefined.
INLINE void gatherColumns(const uint8_t *const row[quadRows], int rows, size_t at, size_t n,
                          vi column[4]) {
  const vi even = vi_set(0x00ff00ff);
  vi a = vi_load(row[0] + at, n), b = vi_rotate(vi_load(row[1] + at, n), 8);
  vi ab02 = vi_select(even, a, b), ab13 = vi_select(even, b, a);
  if (rows == 2) {
    column[0] = column[2] = ab02;
    column[1] = column[3] = ab13;
    return;
  }
  const vi low = vi_set(0x0000ffff), middle = vi_set(0x00ffff00);
  vi c = vi_rotate(vi_load(row[2] + at, n), 16), d = vi_rotate(vi_load(row[3] + at, n), 24);
  vi cd02 = vi_select(even, c, d), cd13 = vi_select(even, d, c);
  column[0] = vi_select(low, ab02, cd02);
  column[1] = vi_select(middle, ab13, cd13);
  column[2] = vi_select(low, cd02, ab02);
  column[3] = vi_select(middle, cd13, ab13);
}

// Where whole bytes are multiplied, nibbles of the second half stay beside those of the first, but
// for those of mxfp4, which are codes.
INLINE int keepsNibbles(Format format) {
  return isNibbles(format) && format != MXFP4 && dotsWholeBytes;
}

// The columns of pieces k and k + 4 of four rows in whole bytes; `at` is where piece k begins.
INLINE void columnPair(Format format, const Quad *quad, int rows, size_t k, size_t at, size_t piece,
                       size_t n, vi low[4], vi high[4]) {
  gatherColumns(quad->row, rows, at, n, low);
  if (isNibbles(format)) {
    UNROLL for (int c = 0; c < 4; c++) {
      high[c] = keepsNibbles(format) ? low[c] : nibbles(format, low[c], 4);
      low[c] = nibbles(format, low[c], 0);
    }
    return;
  }
  if (format == Q8_0 || k < 2) {
    gatherColumns(quad->row, rows, at + 4 * piece, n, high);
  } else {
    vi first[4], third[4];
    gatherColumns(quad->row, rows, at - 2 * piece, n, first);
    gatherColumns(quad->row, rows, at + 2 * piece, n, third);
    UNROLL for (int c = 0; c < 4; c++) high[c] = topSix(first[c], low[c], third[c]);
  }
  if (format == Q6_K)
    UNROLL for (int c = 0; c < 4; c++) {
      low[c] = lowSix(low[c]);
      high[c] = lowSix(high[c]);
    }
}

// Which of a block's coefficients its values 16 ... 31 take.
INLINE int secondOf(Format format) { return format == Q6_K; }

// A batch's coefficients for LANES blocks: [0] of all values, or of q6_K's first 16, [1] of the
// others.
typedef struct {
  _Alignas(64) int32_t x[2][foldQuads][4][groupBlocks]; // rotated for each of the columns
  _Alignas(64) int32_t start[2][foldQuads][groupBlocks];
  _Alignas(64) float scale[2][foldQuads][groupBlocks];
  _Alignas(64) float rest[foldQuads][groupBlocks]; // of q4_K
} Folded;

// Adds one quad to the sums of value 4 k + c (sum[c]) and 16 + 4 k + c (sum[4 + c]) of the blocks.
// Of kept nibbles sum[4 + c] is the one plus 16 times the other: highSum takes it apart, and a
// quarter of the instructions is saved.
INLINE void addQuad(Format format, const Quad *quad, int rows, size_t k, size_t at, size_t piece,
                    size_t n, const Folded *folded, size_t q, vi sum[8]) {
  vi low[4], high[4];
  columnPair(format, quad, rows, k, at, piece, n, low, high);
  UNROLL for (int c = 0; c < 4; c++) {
    vi x = vi_load(folded->x[0][q][c], LANES);
    sum[c] = dotUnsigned(format, sum[c], low[c], x);
    if (secondOf(format))
      x = vi_load(folded->x[1][q][c], LANES);
    sum[4 + c] = dotUnsigned(format, sum[4 + c], high[c], x);
  }
}

INLINE vi highStart(Format format, vi start) {
  return keepsNibbles(format) ? vi_add(start, vi_shiftLeft(start, 4)) : start;
}

INLINE vi highSum(Format format, vi sum, vi lowSum) {
  return keepsNibbles(format) ? vi_subtract(sum, lowSum) >> vi_set(4) : sum;
}

// What is asked for while a batch is added, the next one's rows or what is wanted after the job: a
// row's columns from end to end and then the next row's, as DRAM and the CPU's own prefetching like
// it. Spread over the arithmetic: the CPU has few places for what is on its way.
typedef struct {
  const FoldBatch *batch;
  const uint8_t *bytes; // where not null as many rows of these
  size_t stride;
  size_t firstGroup, endGroup;
  size_t row, group;
} FoldAhead;

INLINE void prefetchNext(Format format, FoldAhead *ahead, size_t blocks) {
  if (ahead->row >= quadRows * ahead->batch->quads)
    return;
  const uint8_t *row =
      ahead->bytes ? ahead->bytes + ahead->row * ahead->stride
                   : ahead->batch->quad[ahead->row / quadRows].row[ahead->row % quadRows];
  prefetchGroup(format, row, blocks, ahead->group);
  if (++ahead->group == ahead->endGroup) {
    ahead->group = ahead->firstGroup;
    ahead->row++;
  }
}

// Super-blocks' scales cost more to decode than to keep.
typedef struct {
  _Alignas(64) float at[2][foldQuads * quadRows][LANES];
} KeptScales;

INLINE vf scaleAgain(Format format, const KeptScales *kept, const uint8_t *row, size_t r, int half,
                     size_t group, size_t lanes, size_t lane, size_t n) {
  return isSuper(format) ? vf_load(kept->at[half][r], LANES)
                         : blockScales(format, row, group, lanes, lane, n).scale;
}

// The largest scales of a fold's rows, and the sum of q4_K's rests.
INLINE void largestScales(Format format, const FoldBatch *batch, const Fold *fold, size_t group,
                          size_t lanes, size_t lane, size_t n, vi largest[2], vf *rest,
                          KeptScales *kept) {
  largest[0] = largest[1] = vi_set(0);
  *rest = vf_set(0);
  for (size_t q = fold->firstQuad; q < fold->endQuad; q++)
    UNROLL for (int i = 0; i < quadRows; i++) {
      const Quad *quad = &batch->quad[q];
      const BlockScales scales = blockScales(format, quad->row[i], group, lanes, lane, n);
      largest[0] = vi_max(largest[0], vi_bits(vf_abs(scales.scale)));
      if (isSuper(format))
        vf_store(kept->at[0][q * quadRows + (size_t)i], scales.scale, LANES);
      if (secondOf(format)) {
        largest[1] = vi_max(largest[1], vi_bits(vf_abs(scales.second)));
        vf_store(kept->at[1][q * quadRows + (size_t)i], scales.second, LANES);
      }
      if (format == Q4_K && i < quad->rows)
        *rest = addRest4(scales, quad->output[i], *rest);
    }
}

INLINE void foldScales(Format format, const FoldBatch *batch, size_t f, size_t group, size_t lanes,
                       size_t lane, size_t n, FoldAhead *ahead, size_t blocks, int prefetching,
                       Folded *to) {
  const Fold *fold = &batch->fold[f];
  KeptScales kept;
  vi largest[2];
  vf rest;
  largestScales(format, batch, fold, group, lanes, lane, n, largest, &rest, &kept);
  UNROLL for (int half = 0; half <= secondOf(format); half++) {
    vf inverse = inverseOfLargest(vf_bits(largest[half]));
    vi sum = vi_set(0);
    for (size_t q = fold->firstQuad; q < fold->endQuad; q++) {
      if (prefetching && half == 0)
        prefetchNext(format, ahead, blocks);
      vi rounded[quadRows];
      UNROLL for (int i = 0; i < quadRows; i++) {
        vf scale = scaleAgain(format, &kept, batch->quad[q].row[i], q * quadRows + (size_t)i, half,
                              group, lanes, lane, n);
        rounded[i] = vi_round(vf_set(batch->quad[q].output[i]) * (scale * inverse));
        sum = vi_add(sum, rounded[i]);
        rounded[i] &= vi_set(0xff);
      }
      vi x = packBytes(rounded[0], rounded[1], rounded[2], rounded[3]);
      UNROLL for (int c = 0; c < 4; c++) vi_store(to->x[half][q][c], vi_rotate(x, 8 * c), LANES);
    }
    vi_store(to->start[half][f], foldStart(format, sum), LANES);
    vf_store(to->scale[half][f], vf_set(fold->unit) * vf_bits(largest[half]), LANES);
  }
  if (format == Q4_K)
    vf_store(to->rest[f], vf_set(fold->unit) * rest, LANES);
}

// Adds fold f's sums of pieces k and k + 4 to the totals of their values.
INLINE void addFold(Format format, const FoldBatch *batch, size_t f, size_t k, size_t at,
                    size_t lanes, size_t n, FoldAhead *ahead, size_t blocks, int prefetching,
                    const Folded *folded, vf total[8]) {
  vi sum[8];
  const int second = secondOf(format);
  vi start = vi_load(folded->start[0][f], LANES), other = vi_load(folded->start[second][f], LANES);
  UNROLL for (int m = 0; m < 8; m++) sum[m] = m < 4 ? start : highStart(format, other);
  for (size_t q = batch->fold[f].firstQuad; q < batch->fold[f].endQuad; q++) {
    if (prefetching)
      prefetchNext(format, ahead, blocks);
    if (batch->quad[q].rows <= 2)
      addQuad(format, &batch->quad[q], 2, k, at, 4 * lanes, n, folded, q, sum);
    else
      addQuad(format, &batch->quad[q], 4, k, at, 4 * lanes, n, folded, q, sum);
  }
  UNROLL for (int m = 4; m < 8; m++) sum[m] = highSum(format, sum[m], sum[m - 4]);
  vf scale = vf_load(folded->scale[0][f], LANES);
  UNROLL for (int m = 0; m < 8; m++) {
    if (m == 4 && second)
      scale = vf_load(folded->scale[1][f], LANES);
    if (format == Q4_K)
      total[m] = total[m] + vf_load(folded->rest[f], LANES);
    total[m] = vf_fma(vf_from_vi(sum[m]), scale, total[m]);
  }
}

// Lanes lane ..< lane + n of one group of blocks.
INLINE void foldLanes(Format format, const FoldBatch *batch, FoldAhead *ahead, size_t blocks,
                      size_t group, size_t lanes, size_t lane, size_t n, float *accumulator) {
  float *const to = accumulator + group * groupValues + lane;
  Folded folded;
  for (size_t f = 0; f < batch->folds; f++)
    foldScales(format, batch, f, group, lanes, lane, n, ahead, blocks, lane == 0, &folded);
  for (size_t k = 0; k < 4; k++) {
    const size_t at = groupOffset(format, blocks, group) + 4 * (k * lanes + lane);
    vf total[8];
    UNROLL for (size_t m = 0; m < 8; m++)
      total[m] = vf_load(to + (4 * k + m % 4 + m / 4 * 16) * lanes, n);
    for (size_t f = 0; f < batch->folds; f++)
      addFold(format, batch, f, k, at, lanes, n, ahead, blocks, lane == 0 && k > 0, &folded, total);
    UNROLL for (size_t m = 0; m < 8; m++)
      vf_store(to + (4 * k + m % 4 + m / 4 * 16) * lanes, total[m], n);
  }
}

INLINE void foldBatch(Format format, const FoldBatch *batch, const FoldBatch *next,
                      const uint8_t *bytes, size_t width, size_t first, size_t end,
                      float *accumulator) {
  const size_t blocks = width / blockValues;
  const size_t firstGroup = first / groupValues;
  FoldAhead ahead = {.batch = bytes ? batch : next,
                     .bytes = bytes,
                     .stride = rowBytes(format, width),
                     .firstGroup = firstGroup,
                     .endGroup = (end + groupValues - 1) / groupValues,
                     .group = firstGroup};
  for (size_t group = first / groupValues; group * groupValues < end; group++) {
    const size_t lanes = lanesOfGroup(blocks, group);
    if (lanes == groupBlocks)
      for (size_t lane = 0; lane < groupBlocks; lane += LANES)
        foldLanes(format, batch, &ahead, blocks, group, groupBlocks, lane, LANES, accumulator);
    else
      for (size_t lane = 0; lane < lanes; lane += LANES)
        foldLanes(format, batch, &ahead, blocks, group, lanes, lane, smaller(LANES, lanes - lane),
                  accumulator);
  }
}

// One token, in columns first ..< end: rows straight from memory.
INLINE void foldToken(Format format, const CFlashKernels_Accumulate *job, size_t t, size_t first,
                      size_t end) {
  const float *outputs = job->coefficients + t * job->coefficientStride;
  FoldBatch batches[2];
  size_t next = 0, row = 0;
  nextFolds(job, outputs, &next, &batches[0]);
  for (int i = 0; batches[i].folds > 0; i = 1 - i) {
    const uint8_t *bytes =
        job->ahead ? (const uint8_t *)job->ahead + row * rowBytes(format, job->width) : 0;
    nextFolds(job, outputs, &next, &batches[1 - i]);
    foldBatch(format, &batches[i], &batches[1 - i], bytes, job->width, first, end,
              job->accumulators + t * job->accumulatorStride);
    row += quadRows * batches[i].quads;
  }
}
