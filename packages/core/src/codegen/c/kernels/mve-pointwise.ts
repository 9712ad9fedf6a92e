import type { KernelSource, SpecialForms } from "../kernel-source.ts";

/**
 * Sums of four pixels for two outputs, and of one pixel for four. VMLADAV adds 16 products to one register; the sums of four pixels for one output become
 * one vector, so that its multiplier is one number.
 */
const dots: KernelSource = {
  name: "ts_mve_dots",
  needs: ["ts_mve_registers", "ts_mve_bytes"],
  portable: "",
  mve: String.raw`/* Depth of up to 32: weights of both outputs stay in registers. Weights behind the depth are 0; spare is 16 where activations may be read behind it, else 0. Up to a depth of 8, two pixels
   are one vector, and w[2], w[3] are the weights as the second of them meets them. */
TS_INL void ts_mve_dot_short(const int8_t *x, int step, int depth, int spare, const int8x16_t *w, int32x4_t *a, int32x4_t *b)
{
  if (depth <= 8) {
    const int8x16_t v = ts_mve_load(x, 2 * depth + spare), u = ts_mve_load(x + 2 * step, 2 * depth + spare);
    *a = ts_mve_odd(ts_mve_even(vmladavq_s8(v, w[0]), vmladavq_s8(u, w[0])), vmladavq_s8(v, w[2]), vmladavq_s8(u, w[2]));
    *b = ts_mve_odd(ts_mve_even(vmladavq_s8(v, w[1]), vmladavq_s8(u, w[1])), vmladavq_s8(v, w[3]), vmladavq_s8(u, w[3]));
    return;
  }
#pragma GCC unroll 2
  for (int odd = 0; odd < 2; odd++, x += step) {
    const int8x16_t v = ts_mve_load(x, depth + spare), u = ts_mve_load(x + 2 * step, depth + spare);
    int32_t s = vmladavq_s8(v, w[0]), t = vmladavq_s8(v, w[1]), s2 = vmladavq_s8(u, w[0]), t2 = vmladavq_s8(u, w[1]);
    if (depth > 16) {
      const int8x16_t v1 = ts_mve_load(x + 16, depth - 16 + spare), u1 = ts_mve_load(x + 2 * step + 16, depth - 16 + spare);
      s = vmladavaq_s8(s, v1, w[2]);
      t = vmladavaq_s8(t, v1, w[3]);
      s2 = vmladavaq_s8(s2, u1, w[2]);
      t2 = vmladavaq_s8(t2, u1, w[3]);
    }
    *a = odd == 0 ? ts_mve_even(s, s2) : ts_mve_odd(*a, s, s2);
    *b = odd == 0 ? ts_mve_even(t, t2) : ts_mve_odd(*b, t, t2);
  }
}
/* Two pixels at a time: more sums than that leave no registers for pointers. In steps that the compiler must not mix, or it runs out of vectors. */
#define TS_MVE_DOT_2X2(left) { const int8x16_t wa = ts_mve_load(v0, left), wb = ts_mve_load(v1, left); int8x16_t v = ts_mve_load(x0, (left) + spare); \
  s0 = vmladavaq_s8(s0, v, wa); t0 = vmladavaq_s8(t0, v, wb); v = ts_mve_load(x2, (left) + spare); s2 = vmladavaq_s8(s2, v, wa); t2 = vmladavaq_s8(t2, v, wb); }
/* Depth of 16 and up. */
TS_INL void ts_mve_dot_4x2(const int8_t *x, int step, int depth, int spare, const int8_t *w0, const int8_t *w1, int32x4_t *a, int32x4_t *b)
{
#pragma GCC unroll 2
  for (int odd = 0; odd < 2; odd++, x += step) {
    const int8_t *x0 = x, *x2 = x + 2 * step, *v0 = w0, *v1 = w1;
    const int8x16_t ka = vldrbq_s8(v0), kb = vldrbq_s8(v1), xa = vldrbq_s8(x0), xb = vldrbq_s8(x2);
    int32_t s0 = vmladavq_s8(xa, ka), t0 = vmladavq_s8(xa, kb), s2 = vmladavq_s8(xb, ka), t2 = vmladavq_s8(xb, kb);
    int left = depth - 16;
#pragma GCC unroll 8
    for (; left >= 16; left -= 16) {
      x0 += 16;
      x2 += 16;
      v0 += 16;
      v1 += 16;
      TS_MVE_STEP(x0, x2, v0, v1);
      TS_MVE_DOT_2X2(16)
    }
    if (left > 0) {
      x0 += 16;
      x2 += 16;
      v0 += 16;
      v1 += 16;
      TS_MVE_STEP(x0, x2, v0, v1);
      TS_MVE_DOT_2X2(left)
    }
    TS_MVE_STEP(x, w0, w1, s0);
    *a = odd == 0 ? ts_mve_even(s0, s2) : ts_mve_odd(*a, s0, s2);
    *b = odd == 0 ? ts_mve_even(t0, t2) : ts_mve_odd(*b, t0, t2);
  }
}
#define TS_MVE_DOT_1X4(left) { const int8x16_t v = ts_mve_load(x + d, left); s0 = vmladavaq_s8(s0, v, ts_mve_load(w0 + d, left)); \
  s1 = vmladavaq_s8(s1, v, ts_mve_load(w1 + d, left)); s2 = vmladavaq_s8(s2, v, ts_mve_load(w2 + d, left)); s3 = vmladavaq_s8(s3, v, ts_mve_load(w3 + d, left)); }
TS_INL int32x4_t ts_mve_dot_1x4(const int8_t *x, int depth, const int8_t *w0, const int8_t *w1, const int8_t *w2, const int8_t *w3)
{
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  int d = 0;
  for (; d + 16 <= depth; d += 16)
    TS_MVE_DOT_1X4(16)
  if (d < depth)
    TS_MVE_DOT_1X4(depth - d)
  return ts_mve_odd(ts_mve_even(s0, s2), s1, s3);
}
`,
};

/**
 * Two outputs at a time over all pixels, four at a time. Where the last four pixels or the last two outputs would stick out, some are taken once more and
 * give the same results again. Two bytes in a lane of 16 bits go to one pixel each by a scattered store.
 */
const matmul: KernelSource = {
  name: "ts_mve_matmul",
  needs: ["ts_mve_dots", "ts_mve_scale", "ts_mve_narrow"],
  portable: "",
  mve: `/* Bytes moved count lanes up, 0 before them. */
TS_INL int8x16_t ts_mve_later(int8x16_t v, int count)
{
  int8_t room[32];
  vstrbq_s8(room, vdupq_n_s8(0));
  vstrbq_s8(room + count, v);
  return vldrbq_s8(room);
}
TS_INL void ts_mve_matmul(const int8_t *x, int pixels, int depth, int spare, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  const int next = outputs > 1 ? 1 : 0;
  const uint16x8_t lanes = vidupq_n_u16(0, 1);
  const uint16x8_t to = vaddq_u16(vmulq_n_u16(vshrq_n_u16(lanes, 1), (uint16_t)outputs), vandq_u16(lanes, vdupq_n_u16((uint16_t)next)));
  for (int o = 0; o < outputs; o += 2) {
    const int k = o + next < outputs ? o : outputs - 2;
    const int8_t *w0 = w + k * pitch, *w1 = w0 + next * pitch;
    const ts_mve_channel c0 = ts_mve_prepare(bias[k], mult[k], shift[k]);
    const ts_mve_channel c1 = ts_mve_prepare(bias[k + next], mult[k + next], shift[k + next]);
    int8x16_t held[4];
    if (depth <= 32) {
      const int more = depth > 16 ? 16 : 0;
      held[0] = ts_mve_load(w0, depth);
      held[1] = ts_mve_load(w1, depth);
      held[2] = depth <= 8 ? ts_mve_later(held[0], depth) : ts_mve_load(w0 + more, depth - more);
      held[3] = depth <= 8 ? ts_mve_later(held[1], depth) : ts_mve_load(w1 + more, depth - more);
    }
    for (int i = 0; i < pixels; i += 4) {
      const int p = pixels % 4 == 0 || i + 4 <= pixels ? i : pixels - 4;
      int32x4_t a, b;
      if (depth <= 32)
        ts_mve_dot_short(x + p * depth, depth, depth, spare, held, &a, &b);
      else
        ts_mve_dot_4x2(x + p * depth, depth, depth, spare, w0, w1, &a, &b);
      a = ts_mve_scale(a, &c0, flags);
      b = ts_mve_scale(b, &c1, flags);
      vstrbq_scatter_offset_s16(y + p * outputs + k, to, ts_mve_narrow(a, b, zero, lo, hi));
    }
  }
}
`,
};

/** Up to three pixels: four outputs at a time. */
const matvec: KernelSource = {
  name: "ts_mve_matvec",
  needs: ["ts_mve_dots", "ts_mve_scale"],
  portable: "",
  mve: `TS_INL void ts_mve_matvec(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  const mve_pred16_t some = vctp32q((uint32_t)outputs);
  const int n1 = outputs > 1 ? pitch : 0, n2 = outputs > 2 ? 2 * pitch : n1, n3 = outputs > 3 ? 3 * pitch : n2;
  for (int p = 0; p < pixels; p++) {
    for (int o = 0; o < outputs; o += 4) {
      const int k = outputs < 4 ? 0 : o + 4 <= outputs ? o : outputs - 4;
      const int8_t *v = w + k * pitch;
      int32x4_t s = ts_mve_dot_1x4(x, depth, v, v + n1, v + n2, v + n3);
      if (outputs < 4) {
        s = vaddq_s32(s, vldrwq_z_s32(bias, some));
        s = ts_mve_scale_lanes(s, vldrwq_z_s32(mult, some), vldrbq_z_s32(shift, some), flags);
      } else {
        s = vaddq_s32(s, vldrwq_s32(bias + k));
        s = ts_mve_scale_lanes(s, vldrwq_s32(mult + k), vldrbq_s32(shift + k), flags);
      }
      s = vmaxq_s32(vminq_s32(vqaddq_n_s32(s, zero), vdupq_n_s32(hi)), vdupq_n_s32(lo));
      if (outputs < 4)
        vstrbq_p_s32(y, s, some);
      else
        vstrbq_s32(y + k, s);
    }
    x += depth;
    y += outputs;
  }
}
`,
};

/** Helpers of the matrix products and the convolution. */
export const MVE_MATMUL: readonly KernelSource[] = [dots, matmul, matvec];

/** Offsets of a scattered store have 16 bits: wider outputs go pixel by pixel. */
export const MVE_POINTWISE: SpecialForms = {
  ts_pointwise: {
    needs: ["ts_mve_matmul", "ts_mve_matvec"],
    source: `TS_INL void ts_pointwise(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  (void)scratch;
  if (pixels < 4 || outputs > 20000)
    ts_mve_matvec(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y, flags);
  else
    ts_mve_matmul(x, pixels, depth, 0, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y, flags);
}
`,
  },
};
