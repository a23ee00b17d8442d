// Rows of the plain formats times coefficients, added to an accumulator (AXPY): one multiply-add
// per row and element, in the order of the rows. Eight rows are in flight, so that an accumulator
// vector is loaded and stored once for eight of them; the next eight are prefetched meanwhile.
//
// Sums are in f32: f16 was no faster (bound by scattered reads) and a thousand times less exact.

// Four rows are as fast; sixteen and more are slower (the first-level cache).
enum { batchRows = 8 };

typedef struct {
  size_t count;
  const uint8_t *row[batchRows];
  float coefficient[batchRows];
} Batch;

// The next rows of ids *next ..< end whose coefficient is not zero.
INLINE Batch nextBatch(const CFlashKernels_Accumulate *job, const float *coefficients, size_t *next,
                       size_t end) {
  Batch batch = {0};
  for (; *next < end && batch.count < batchRows; ++*next)
    if (coefficients[*next] != 0) {
      batch.row[batch.count] = job->rows[*next];
      batch.coefficient[batch.count++] = coefficients[*next];
    }
  return batch;
}

INLINE void plainColumns(Format format, const Batch *batch, const Batch *ahead, size_t i, size_t n,
                         int vectors, float *accumulator) {
  vf sum[4];
  for (size_t r = 0; r < ahead->count; r++)
    prefetch(ahead->row[r] + valueOffset(format, i));
  UNROLL for (int v = 0; v < vectors; v++) sum[v] = vf_load(accumulator + i + v * LANES, n);
  for (size_t r = 0; r < batch->count; r++) {
    vf c = vf_set(batch->coefficient[r]);
    UNROLL for (int v = 0; v < vectors; v++)
      sum[v] = vf_fma(c, loadValues(format, batch->row[r], i + (size_t)(v * LANES), n), sum[v]);
  }
  UNROLL for (int v = 0; v < vectors; v++) vf_store(accumulator + i + v * LANES, sum[v], n);
}

INLINE void plainBatch(Format format, const Batch *batch, const Batch *ahead, size_t first,
                       size_t end, float *accumulator) {
  size_t i = first;
  for (; i + 4 * LANES <= end; i += 4 * LANES)
    plainColumns(format, batch, ahead, i, LANES, 4, accumulator);
  for (; i + LANES <= end; i += LANES)
    plainColumns(format, batch, ahead, i, LANES, 1, accumulator);
  if (i < end)
    plainColumns(format, batch, ahead, i, end - i, 1, accumulator);
}

// One token: rows straight from memory.
INLINE void accumulateToken(Format format, const CFlashKernels_Accumulate *job, size_t t) {
  const float *coefficients = job->coefficients + t * job->coefficientStride;
  float *accumulator = job->accumulators + t * job->accumulatorStride;
  size_t next = 0;
  Batch batch = nextBatch(job, coefficients, &next, job->rowCount);
  while (batch.count > 0) {
    Batch ahead = nextBatch(job, coefficients, &next, job->rowCount);
    plainBatch(format, &batch, &ahead, job->firstColumn, job->endColumn, accumulator);
    batch = ahead;
  }
}
