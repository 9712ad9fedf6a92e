import type { KernelSource } from "../kernel-source.ts";

/**
 * Where a sum starts and how it ends. Products of 8 bits alone stay below 2^31 up to a depth of 131,071; the bias joins them at the start where the flags
 * say that nothing can overflow, and otherwise at the end, where it wraps around as in the integer program. (Sums without sign could wrap all the time,
 * but compilers rearrange those into slower code.)
 */
const sumEnds: KernelSource = {
  name: "ts_sum_end",
  needs: [],
  portable: `TS_INL int32_t ts_sum_start(int32_t bias, int flags)
{
  return (flags & TS_SUM_30BIT) != 0 ? bias : 0;
}
TS_INL int32_t ts_sum_end(int32_t sum, int32_t bias, int flags)
{
  return (flags & TS_SUM_30BIT) != 0 ? sum : (int32_t)((uint32_t)sum + (uint32_t)bias);
}
`,
};

/** Dot products of one pixel with two rows of weights: all that eight registers hold. */
const dot12: KernelSource = {
  name: "ts_dot_1x2",
  needs: [],
  portable: `TS_INL void ts_dot_1x2(const int8_t *a, const int8_t *u, const int8_t *v, int depth, int32_t *s, int32_t *t)
{
  int32_t sum = *s, other = *t;
  for (int i = 0; i < depth; i++) {
    const int32_t p = a[i];
    sum += p * u[i];
    other += p * v[i];
  }
  *s = sum;
  *t = other;
}
`,
};

/** Dot products of two pixels with two rows of weights: four products for four loads. */
const dot22: KernelSource = {
  name: "ts_dot_2x2",
  needs: ["ts_dot_1x2"],
  portable: String.raw`#define TS_DOT_2X2(i) { const int32_t p = a[i], q = b[i], s = u[i], t = v[i]; \
  s00 += p * s; s01 += p * t; s10 += q * s; s11 += q * t; }
TS_INL void ts_dot_2x2(const int8_t *a, const int8_t *b, const int8_t *u, const int8_t *v, int depth, int32_t *sums)
{
#ifdef TS_FEW_REGISTERS
  sums[2] = sums[0];
  sums[3] = sums[1];
  ts_dot_1x2(a, u, v, depth, &sums[0], &sums[1]);
  ts_dot_1x2(b, u, v, depth, &sums[2], &sums[3]);
#else
  int32_t s00 = sums[0], s01 = sums[1], s10 = sums[0], s11 = sums[1];
  int i = 0;
  for (; i + 4 <= depth; i += 4, a += 4, b += 4, u += 4, v += 4) {
    TS_DOT_2X2(0)
    TS_IN_ORDER
    TS_DOT_2X2(1)
    TS_IN_ORDER
    TS_DOT_2X2(2)
    TS_IN_ORDER
    TS_DOT_2X2(3)
    TS_IN_ORDER
  }
  for (; i < depth; i++, a++, b++, u++, v++)
    TS_DOT_2X2(0)
  sums[0] = s00;
  sums[1] = s01;
  sums[2] = s10;
  sums[3] = s11;
#endif
}
`,
};

/** Dot products of one pixel with four rows of weights: for layers of a single pixel. */
const dot14: KernelSource = {
  name: "ts_dot_1x4",
  needs: ["ts_dot_1x2"],
  portable: String.raw`#define TS_DOT_1X4(i) { const int32_t p = a[i]; \
  s0 += p * t[i]; s1 += p * u[i]; s2 += p * v[i]; s3 += p * w[i]; }
TS_INL void ts_dot_1x4(const int8_t *a, const int8_t *t, const int8_t *u, const int8_t *v, const int8_t *w, int depth, int32_t *sums)
{
#ifdef TS_FEW_REGISTERS
  ts_dot_1x2(a, t, u, depth, &sums[0], &sums[1]);
  ts_dot_1x2(a, v, w, depth, &sums[2], &sums[3]);
#else
  int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
  int i = 0;
  for (; i + 4 <= depth; i += 4, a += 4, t += 4, u += 4, v += 4, w += 4) {
    TS_DOT_1X4(0)
    TS_IN_ORDER
    TS_DOT_1X4(1)
    TS_IN_ORDER
    TS_DOT_1X4(2)
    TS_IN_ORDER
    TS_DOT_1X4(3)
    TS_IN_ORDER
  }
  for (; i < depth; i++, a++, t++, u++, v++, w++)
    TS_DOT_1X4(0)
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
#endif
}
`,
};

/** Weights whose rows lie in pairs, see TS_PAIRS: only files written for another processor come here. */
const pairsPointwise: KernelSource = {
  name: "ts_pairs_pointwise",
  needs: ["ts_finish", "ts_sum_end"],
  portable: `TS_INL void ts_pairs_pointwise(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  for (int p = 0; p < pixels; p++, x += depth) {
    for (int o = 0; o < outputs; o++) {
      const int8_t *v = w + (o >> 1) * 2 * pitch + (o & 1) * 4;
      int32_t sum = ts_sum_start(bias[o], flags);
      for (int i = 0; i < depth; i++)
        sum += x[i] * v[(i >> 2) * 8 + (i & 3)];
      *y++ = ts_finish(ts_sum_end(sum, bias[o], flags), mult[o], shift[o], zero, lo, hi, flags);
    }
  }
}
`,
};

/**
 * Two pixels at a time. Where a block would stick out, the last two pixels or the last output are taken once more and give the same result again, which
 * needs no code for remainders. With TS_SMALL one instance serves all layers that have the usual flags: literal sizes save a tenth of the instructions but
 * cost a copy for each layer.
 */
const pixels2: KernelSource = {
  name: "ts_pixels2",
  needs: ["ts_finish", "ts_sum_end", "ts_dot_2x2"],
  portable: `TS_INL void ts_pixels2(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  for (int p = 0; p < pixels; p += 2) {
    const int from = p + 2 > pixels ? pixels - 2 : p;
    const int8_t *a = x + from * depth, *b = a + depth;
    int8_t *ya = y + from * outputs, *yb = ya + outputs;
    for (int o = 0; o < outputs; o += 2) {
      const int o1 = o + 1 < outputs ? o + 1 : o;
      int32_t sums[4] = { ts_sum_start(bias[o], flags), ts_sum_start(bias[o1], flags), 0, 0 };
      ts_dot_2x2(a, b, w + o * pitch, w + o1 * pitch, depth, sums);
      ya[o] = ts_finish(ts_sum_end(sums[0], bias[o], flags), mult[o], shift[o], zero, lo, hi, flags);
      yb[o] = ts_finish(ts_sum_end(sums[2], bias[o], flags), mult[o], shift[o], zero, lo, hi, flags);
      ya[o1] = ts_finish(ts_sum_end(sums[1], bias[o1], flags), mult[o1], shift[o1], zero, lo, hi, flags);
      yb[o1] = ts_finish(ts_sum_end(sums[3], bias[o1], flags), mult[o1], shift[o1], zero, lo, hi, flags);
    }
  }
}
#ifdef TS_SMALL
TS_FAR void ts_pixels2_relu(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int hi, int8_t *y)
{
  ts_pixels2(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, zero, hi, y, TS_SUM_30BIT | TS_SHIFT_MID | TS_RELU);
}
TS_FAR void ts_pixels2_any(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y)
{
  ts_pixels2(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y, TS_SUM_30BIT | TS_SHIFT_MID);
}
#endif
`,
};

/** [pixels, depth] x [outputs, depth]^T. */
const pointwise: KernelSource = {
  name: "ts_pointwise",
  needs: ["ts_finish", "ts_sum_end", "ts_dot_1x4", "ts_pixels2", "ts_pairs_pointwise"],
  portable: `TS_INL void ts_pointwise(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  (void)scratch;
  if ((flags & TS_PAIRS) != 0) {
    ts_pairs_pointwise(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y, flags);
    return;
  }
  if (pixels == 1) {
    for (int o = 0; o < outputs; o += 4) {
      const int o1 = o + 1 < outputs ? o + 1 : o, o2 = o + 2 < outputs ? o + 2 : o, o3 = o + 3 < outputs ? o + 3 : o;
      int32_t sums[4] = { ts_sum_start(bias[o], flags), ts_sum_start(bias[o1], flags), ts_sum_start(bias[o2], flags), ts_sum_start(bias[o3], flags) };
      ts_dot_1x4(x, w + o * pitch, w + o1 * pitch, w + o2 * pitch, w + o3 * pitch, depth, sums);
      y[o] = ts_finish(ts_sum_end(sums[0], bias[o], flags), mult[o], shift[o], zero, lo, hi, flags);
      y[o1] = ts_finish(ts_sum_end(sums[1], bias[o1], flags), mult[o1], shift[o1], zero, lo, hi, flags);
      y[o2] = ts_finish(ts_sum_end(sums[2], bias[o2], flags), mult[o2], shift[o2], zero, lo, hi, flags);
      y[o3] = ts_finish(ts_sum_end(sums[3], bias[o3], flags), mult[o3], shift[o3], zero, lo, hi, flags);
    }
    return;
  }
#ifdef TS_SMALL
  if ((flags & (TS_SUM_30BIT | TS_SHIFT_MID)) == (TS_SUM_30BIT | TS_SHIFT_MID)) {
    if ((flags & TS_RELU) != 0)
      ts_pixels2_relu(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, hi, y);
    else
      ts_pixels2_any(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y);
    return;
  }
#endif
  ts_pixels2(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y, flags);
}
`,
};

/** The same for weights with a zero point, which no converter makes any more: sum of (w - z) * x = sum of w * x - z * sum of x. */
const fullyConnected: KernelSource = {
  name: "ts_fully_connected",
  needs: ["ts_finish"],
  portable: `TS_INL void ts_fully_connected(const int8_t *x, int rows, int depth, int outputs, const int8_t *w, int pitch, int weights_zero, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  for (int r = 0; r < rows; r++, x += depth, y += outputs) {
    int32_t total = 0;
    for (int i = 0; i < depth; i++)
      total += x[i] * weights_zero;
    for (int o = 0; o < outputs; o++) {
      const int8_t *v = w + o * pitch;
      int32_t sum = 0;
      for (int i = 0; i < depth; i++)
        sum += x[i] * v[i];
      y[o] = ts_finish((int32_t)((uint32_t)bias[o] - (uint32_t)total + (uint32_t)sum), mult[o], shift[o], zero, lo, hi, flags);
    }
  }
}
`,
};

/** Products of matrices. */
export const POINTWISE_KERNELS: readonly KernelSource[] = [
  sumEnds,
  dot12,
  dot22,
  dot14,
  pairsPointwise,
  pixels2,
  pointwise,
  fullyConnected,
];
