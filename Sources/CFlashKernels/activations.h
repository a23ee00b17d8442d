// The elementwise functions of a layer, in f32. A NaN stays one in all of them.

// The smallest float above a threshold, so that one comparison keeps a NaN and drops the rest.
INLINE vf firstAbove(float threshold) {
  return vf_set(floatFromBits(bitsFromFloat(threshold + 0.0f) + 1));
}

static void relu(float *x, float threshold, size_t count) {
  vf first = firstAbove(threshold);
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf v = vf_load(x + i, n);
    vf_store(x + i, vf_whereGreater(first, v, vf_set(0), v), n);
  }
}

static void reluSquared(float *x, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf v = vf_load(x + i, n);
    vf_store(x + i, vf_whereGreater(vf_set(0), v, vf_set(0), v * v), n);
  }
}

// Where the gate is not positive the up value is not looked at, be it infinite.
static void reluGate(const float *gate, const float *up, size_t count, float *output) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf g = vf_load(gate + i, n), zero = vf_set(0);
    vf h = vf_whereGreater(g, zero, g * vf_load(up + i, n), g);
    vf_store(output + i, vf_whereGreater(zero, g, zero, h), n);
  }
}

INLINE vf siluOf(vf x) { return x / (vf_set(1) + exponential(vf_set(0) - x)); }

static void silu(float *x, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(x + i, siluOf(vf_load(x + i, n)), n);
  }
}

static void siluGate(const float *gate, const float *up, size_t count, float *output) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(output + i, siluOf(vf_load(gate + i, n)) * vf_load(up + i, n), n);
  }
}

// gpt-oss: (u + 1) g / (1 + e^-1.702g), the gate cut at 7 from above and up at 7 from both sides.
static void clampedSwiGLU(const float *gate, const float *up, size_t count, float *output) {
  vf most = vf_set(7), least = vf_set(-7);
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf g = vf_load(gate + i, n), u = vf_load(up + i, n);
    g = vf_whereGreater(g, most, most, g);
    u = vf_whereGreater(u, most, most, vf_whereGreater(least, u, least, u));
    vf sigmoid = vf_set(1) / (vf_set(1) + exponential(g * vf_set(-1.702f)));
    vf_store(output + i, (u + vf_set(1)) * (g * sigmoid), n);
  }
}

INLINE vf vf_absolute(vf x) { return vf_max(x, vf_set(0) - x); }

// x times the normal distribution's function: erfc by Chebyshev's approximation over all of the
// half line, relative error 1.2e-7 (Numerical Recipes, section 6.2).
INLINE vf geluOf(vf x) {
  vf z = vf_absolute(x) * vf_set(0x1.6a09e6p-1f);
  vf t = vf_set(1) / vf_fma(z, vf_set(0.5f), vf_set(1));
  vf p = vf_set(0.17087277f);
  p = vf_fma(p, t, vf_set(-0.82215223f));
  p = vf_fma(p, t, vf_set(1.48851587f));
  p = vf_fma(p, t, vf_set(-1.13520398f));
  p = vf_fma(p, t, vf_set(0.27886807f));
  p = vf_fma(p, t, vf_set(-0.18628806f));
  p = vf_fma(p, t, vf_set(0.09678418f));
  p = vf_fma(p, t, vf_set(0.37409196f));
  p = vf_fma(p, t, vf_set(1.00002368f));
  p = vf_fma(p, t, vf_set(-1.26551223f));
  vf tail = vf_set(0.5f) * t * exponential(vf_fma(vf_set(0) - z, z, p));
  return x * vf_whereGreater(x, vf_set(0), vf_set(1) - tail, tail);
}

static void gelu(float *x, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(x + i, geluOf(vf_load(x + i, n)), n);
  }
}

// x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), which is x / (1 + e^-2u).
INLINE vf geluTanhOf(vf x) {
  vf u = vf_fma(x * x * x, vf_set(0.044715f), x);
  return x / (vf_set(1) + exponential(u * vf_set(-1.59576912f)));
}

static void geluTanh(float *x, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(x + i, geluTanhOf(vf_load(x + i, n)), n);
  }
}

// Cephes' tanhf: a polynomial where 1 - 2 / (e^2x + 1) would lose digits.
INLINE vf hyperbolicTangent(vf x) {
  vf a = vf_absolute(x), z = x * x;
  vf p = vf_set(-5.70498872745e-3f);
  p = vf_fma(p, z, vf_set(2.06390887954e-2f));
  p = vf_fma(p, z, vf_set(-5.37397155531e-2f));
  p = vf_fma(p, z, vf_set(1.33314422036e-1f));
  p = vf_fma(p, z, vf_set(-3.33332819422e-1f));
  vf near = vf_fma(p * z, x, x);
  vf far = vf_set(1) - vf_set(2) / (exponential(a + a) + vf_set(1));
  vf signedFar = vf_whereGreater(vf_set(0), x, vf_set(0) - far, far);
  return vf_whereGreater(a, vf_set(0.625f), signedFar, near);
}

static void cap(float *x, float limit, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t n = smaller(LANES, count - i);
    vf_store(x + i, vf_set(limit) * hyperbolicTangent(vf_load(x + i, n) / vf_set(limit)), n);
  }
}
