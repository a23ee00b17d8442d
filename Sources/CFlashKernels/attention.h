// Attention over one head's keys and values, as rows of the plain formats. q8_0 here is GGML's
// block in its own order: an f16 scale and 32 int8.

INLINE void storeKeyValue(Format format, const float *values, size_t count, uint8_t *entry) {
  if (format != KeyValueQ8_0) {
    encodeRow(format, count, values, entry);
    return;
  }
  for (size_t block = 0; block < count / blockValues; block++) {
    const float *x = values + block * blockValues;
    uint8_t *to = entry + block * (2 + blockValues);
    float largest = 0;
    for (size_t e = 0; e < blockValues; e++)
      largest = __builtin_fabsf(x[e]) > largest ? __builtin_fabsf(x[e]) : largest;
    const float scale = largest / 127, inverse = scale > 0 ? 1 / scale : 0;
    const uint16_t half = halfFromFloat(scale);
    memcpy(to, &half, sizeof half);
    for (size_t e = 0; e < blockValues; e++)
      to[2 + e] = (uint8_t)(int8_t)(int)__builtin_roundf(x[e] * inverse);
  }
}

INLINE void scoreKeys(Format format, const float *query, size_t headDimension, const uint8_t *keys,
                      size_t stride, size_t p, int rows, float scale, float *output) {
  Tile tile = {.activation = {(const uint8_t *)query}};
  vf sum[tileRows * tileTokens];
  UNROLL for (int r = 0; r < rows; r++) {
    tile.row[r] = keys + (p + (size_t)r) * stride;
    tile.ahead[r] = tile.row[r] + (size_t)rows * stride;
    sum[r * tileTokens] = vf_set(0);
  }
  plainTile(format, &tile, rows, 1, 1, headDimension, sum);
  UNROLL for (int r = 0; r < rows; r++)
    output[p + (size_t)r] = scale * vf_sum(sum[r * tileTokens]);
}

INLINE void scores(Format format, const float *query, size_t headDimension, const uint8_t *keys,
                   size_t stride, size_t count, float scale, float *output) {
  size_t p = 0;
  for (; p + tileRows <= count; p += tileRows)
    scoreKeys(format, query, headDimension, keys, stride, p, tileRows, scale, output);
  for (; p < count; p++)
    scoreKeys(format, query, headDimension, keys, stride, p, 1, scale, output);
}

// `vectors` accumulators stay in registers over all positions.
INLINE void valueColumns(Format format, const float *weights, size_t count, const uint8_t *entries,
                         size_t stride, size_t d, size_t n, int vectors, float *output) {
  vf sum[8];
  UNROLL for (int v = 0; v < vectors; v++) sum[v] = vf_load(output + d + v * LANES, n);
  for (size_t p = 0; p < count; p++) {
    const uint8_t *entry = entries + p * stride;
    vf weight = vf_set(weights[p]);
    prefetch(entry + 8 * stride + valueOffset(format, d));
    UNROLL for (int v = 0; v < vectors; v++)
      sum[v] = vf_fma(weight, loadValues(format, entry, d + (size_t)(v * LANES), n), sum[v]);
  }
  UNROLL for (int v = 0; v < vectors; v++) vf_store(output + d + v * LANES, sum[v], n);
}

INLINE void weightedValues(Format format, const float *weights, size_t count,
                           const uint8_t *entries, size_t stride, size_t headDimension,
                           float *output) {
  size_t d = 0;
  for (; d + 8 * LANES <= headDimension; d += 8 * LANES)
    valueColumns(format, weights, count, entries, stride, d, LANES, 8, output);
  for (; d + LANES <= headDimension; d += LANES)
    valueColumns(format, weights, count, entries, stride, d, LANES, 1, output);
  if (d < headDimension)
    valueColumns(format, weights, count, entries, stride, d, headDimension - d, 1, output);
}
