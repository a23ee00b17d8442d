// The vector parts of a layer, in f32.

// e^x to about one unit in the last place, from 0 to infinity; a NaN stays one. Our own, so that no
// libm's version shows in the logits. Cephes' expf: n = x / ln 2 rounded, ln 2 in two parts of
// which the first has few bits, a polynomial for the rest, and 2^n in two factors so that neither
// overflows.
INLINE vf exponential(vf x) {
  x = vf_max(vf_set(-104.0f), x);
  x = vf_min(vf_set(89.0f), x);
  vf n = vf_round(x * vf_set(0x1.715476p+0f));
  vf r = vf_fma(n, vf_set(-0.693359375f), x);
  r = vf_fma(n, vf_set(2.12194440e-4f), r);
  vf p = vf_set(1.9875691500e-4f);
  p = vf_fma(p, r, vf_set(1.3981999507e-3f));
  p = vf_fma(p, r, vf_set(8.3334519073e-3f));
  p = vf_fma(p, r, vf_set(4.1665795894e-2f));
  p = vf_fma(p, r, vf_set(1.6666665459e-1f));
  p = vf_fma(p, r, vf_set(5.0000001201e-1f));
  vf y = vf_fma(p, r * r, r + vf_set(1));
  vi whole = vi_round(n);
  vi half = vi_shiftRight(whole + vi_set(254), 1);
  vf scale = vf_bits(vi_shiftLeft(half, 23));
  vf rest = vf_bits(vi_shiftLeft(whole + vi_set(254) - half, 23));
  return y * scale * rest;
}

static float exponentialOne(float x) {
  float result;
  vf_store(&result, exponential(vf_load(&x, 1)), 1);
  return result;
}

static float softmaxPart(float *scores, size_t count, float *maximum) {
  vf highest = vf_set(-__builtin_inff());
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    highest = vf_max(highest, vf_load(scores + i, LANES));
  float most = vf_highest(highest);
  for (; i < count; i++)
    most = scores[i] > most ? scores[i] : most;
  *maximum = most;
  vf sum = vf_set(0);
  for (i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(scores + i, exponential(vf_load(scores + i, n) - vf_set(most)), n);
    sum = sum + vf_load(scores + i, n); // lanes beyond the end read as zero
  }
  return vf_sum(sum);
}

static void rmsNorm(const float *x, size_t width, const float *weight, float epsilon,
                    float *output) {
  vf squares = vf_set(0);
  for (size_t i = 0; i < width; i += LANES) {
    vf v = vf_load(x + i, smaller(LANES, width - i));
    squares = vf_fma(v, v, squares);
  }
  vf scale = vf_set(1 / __builtin_sqrtf(vf_sum(squares) / (float)width + epsilon));
  for (size_t i = 0; i < width; i += LANES) {
    size_t n = smaller(LANES, width - i);
    vf_store(output + i, vf_load(x + i, n) * scale * vf_load(weight + i, n), n);
  }
}

static void layerNorm(const float *x, size_t width, const float *weight, const float *bias,
                      float epsilon, float *output) {
  vf sum = vf_set(0), squares = vf_set(0);
  for (size_t i = 0; i < width; i += LANES)
    sum = sum + vf_load(x + i, smaller(LANES, width - i));
  vf mean = vf_set(vf_sum(sum) / (float)width);
  for (size_t i = 0; i < width; i += LANES) {
    size_t n = smaller(LANES, width - i);
    vf_store(output + i, vf_load(x + i, n) - mean, n);
    vf v = vf_load(output + i, n); // lanes beyond the end read as zero
    squares = vf_fma(v, v, squares);
  }
  vf scale = vf_set(1 / __builtin_sqrtf(vf_sum(squares) / (float)width + epsilon));
  for (size_t i = 0; i < width; i += LANES) {
    size_t n = smaller(LANES, width - i);
    vf v = vf_load(output + i, n) * scale * vf_load(weight + i, n);
    vf_store(output + i, bias ? v + vf_load(bias + i, n) : v, n);
  }
}

static void add(const float *x, float *y, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(y + i, vf_load(y + i, n) + vf_load(x + i, n), n);
  }
}

static void multiply(const float *x, float *y, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(y + i, vf_load(y + i, n) * vf_load(x + i, n), n);
  }
}

static void scale(float *x, float factor, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(x + i, vf_load(x + i, n) * vf_set(factor), n);
  }
}

static void rotate(float *x, const float *cosine, const float *sine, size_t half) {
  for (size_t i = 0; i < half; i += LANES) {
    size_t n = smaller(LANES, half - i);
    vf a = vf_load(x + i, n), b = vf_load(x + half + i, n);
    vf c = vf_load(cosine + i, n), s = vf_load(sine + i, n);
    vf_store(x + i, a * c - b * s, n);
    vf_store(x + half + i, b * c + a * s, n);
  }
}

static size_t countNonFinite(const float *x, size_t count) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++)
    found += (bitsFromFloat(x[i]) & 0x7f800000) == 0x7f800000;
  return found;
}
