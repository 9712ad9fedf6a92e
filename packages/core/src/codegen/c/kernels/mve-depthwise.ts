import type { KernelSource, SpecialForms } from "../kernel-source.ts";

/**
 * A lane for each output channel: 4 channels of two pixels at a time, so that each vector of weights meets two of activations. Takes any window and
 * multiplier and no scratch.
 */
const lanes: KernelSource = {
  name: "ts_mve_depthwise_lanes",
  needs: ["ts_mve_scale", "ts_mve_narrow"],
  portable: "",
  mve: `#define TS_MVE_TAP(p) (multiplier > 1 ? vldrbq_gather_offset_z_s32(p, from, here) : outputs < 4 ? vldrbq_z_s32(p, here) : vldrbq_s32(p))
#define TS_MVE_LANES_32(p) (outputs < 4 ? vldrwq_z_s32(p, here) : vldrwq_s32(p))
#define TS_MVE_LANES_8(p) (outputs < 4 ? vldrbq_z_s32(p, here) : vldrbq_s32(p))
TS_INL void ts_mve_depthwise_lanes(const int8_t *const *rows, int channels, int multiplier, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  const int outputs = channels * multiplier, beside = out_width > 1 ? 1 : 0, step = stride * channels;
  const mve_pred16_t here = vctp32q((uint32_t)outputs);
  for (int o = 0; o < outputs; o += 4) {
    /* The last four channels and the last two pixels, some of them once more. */
    const int k = outputs < 4 ? 0 : o + 4 <= outputs ? o : outputs - 4;
    const int first = k / multiplier;
    uint32x4_t from = vidupq_n_u32(0, 1);
    if (multiplier > 1) {
      uint32_t at[4];
      for (int i = 0; i < 4; i++)
        at[i] = (uint32_t)((k + i) / multiplier - first);
      from = vld1q_u32(at);
    }
    for (int x = 0; x < out_width; x += 2) {
      const int left = x + 1 < out_width ? x : out_width - 1 - beside;
      int32x4_t a = TS_MVE_LANES_32(bias + k), b = a;
      const int8_t *v = w + k;
      int16x8_t q;
#pragma GCC unroll 4
      for (int ky = 0; ky < kh; ky++) {
        const int8_t *p = rows[ky] + left * step + first;
#pragma GCC unroll 4
        for (int kx = 0; kx < kw; kx++, p += dilation * channels, v += outputs) {
          const int32x4_t t = TS_MVE_LANES_8(v);
          a = vaddq_s32(a, vmulq_s32(TS_MVE_TAP(p), t));
          if (out_width > 1)
            b = vaddq_s32(b, vmulq_s32(TS_MVE_TAP(p + step), t));
          TS_MVE_SUMS_2(a, b);
        }
      }
      {
        const int32x4_t m = TS_MVE_LANES_32(mult + k), n = TS_MVE_LANES_8(shift + k);
        a = ts_mve_scale_lanes(a, m, n, flags);
        b = out_width > 1 ? ts_mve_scale_lanes(b, m, n, flags) : a;
      }
      /* Lower bytes of the lanes of 32 bits are the first pixel's, of their upper halves the second's. */
      q = ts_mve_narrow(a, b, zero, lo, hi);
      if (outputs < 4) {
        vstrbq_p_s32(y + left * outputs, vreinterpretq_s32_s16(q), here);
        vstrbq_p_s32(y + (left + beside) * outputs, vshrq_n_s32(vreinterpretq_s32_s16(q), 16), here);
      } else {
        vstrbq_s32(y + left * outputs + k, vreinterpretq_s32_s16(q));
        if (out_width > 1)
          vstrbq_s32(y + (left + 1) * outputs + k, vshrq_n_s32(vreinterpretq_s32_s16(q), 16));
      }
    }
  }
}
`,
};

/**
 * Eight channels of two pixels: products of 8 bits and the sum of two of them have 16 bits when no weight is -128 (TS_WEIGHTS_127), so twice as many fit
 * a vector. Even and odd channels go on in 32 bits by themselves. Takes no scratch; 8 channels and up.
 */
const pairs: KernelSource = {
  name: "ts_mve_depthwise_pairs",
  needs: ["ts_mve_scale", "ts_mve_narrow"],
  portable: "",
  mve: String.raw`#define TS_MVE_WIDEN(even, odd, v) { const int16x8_t m = v; even = vaddq_s32(even, vmovlbq_s16(m)); odd = vaddq_s32(odd, vmovltq_s16(m)); }
#define TS_MVE_PRODUCTS(p, q, k, l) vaddq_s16(vmulq_s16(vldrbq_s16(p), k), vmulq_s16(vldrbq_s16(q), l))
/* Two taps at once, in steps that the compiler must not mix, or it runs out of vectors. */
#define TS_MVE_TAPS(p, q, v, u) { \
  const int16x8_t k = vldrbq_s16(v), l = vldrbq_s16(u); \
  TS_MVE_WIDEN(a0, a1, TS_MVE_PRODUCTS(p, q, k, l)) \
  if (out_width > 1) \
    TS_MVE_WIDEN(b0, b1, TS_MVE_PRODUCTS((p) + step, (q) + step, k, l)) \
  TS_MVE_SUMS(a0, a1, b0, b1); }
TS_INL void ts_mve_depthwise_pairs(const int8_t *const *rows, int channels, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  const int step = stride * channels, tap = dilation * channels, last = kw - 1;
  for (int g = 0; g < channels; g += 8) {
    /* The last eight channels and the last two pixels, some of them once more. */
    const int c = g + 8 <= channels ? g : channels - 8;
    const int8_t *const v = w + c;
    for (int x = 0; x < out_width; x += 2) {
      const int left = out_width > 1 && x + 2 > out_width ? out_width - 2 : x, at = left * step + c;
      const int32x4x2_t start = vld2q_s32(bias + c);
      int32x4_t a0 = start.val[0], a1 = start.val[1], b0 = a0, b1 = a1;
      TS_MVE_SUMS(a0, a1, b0, b1);
#pragma GCC unroll 4
      for (int ky = 0; ky < kh; ky++) {
        const int8_t *p = rows[ky] + at, *u = v + ky * kw * channels;
#pragma GCC unroll 4
        for (int kx = 0; kx < last; kx += 2, p += 2 * tap, u += 2 * channels)
          TS_MVE_TAPS(p, p + tap, u, u + channels)
      }
      /* The last column of an odd number goes by pairs of rows. */
      if (kw % 2 == 1) {
        int ky = 0;
#pragma GCC unroll 4
        for (; ky + 1 < kh; ky += 2)
          TS_MVE_TAPS(rows[ky] + at + last * tap, rows[ky + 1] + at + last * tap, v + (ky * kw + last) * channels, v + ((ky + 1) * kw + last) * channels)
        if (ky < kh) {
          const int8_t *const p = rows[ky] + at + last * tap;
          const int16x8_t k = vldrbq_s16(v + (ky * kw + last) * channels);
          TS_MVE_WIDEN(a0, a1, vmulq_s16(vldrbq_s16(p), k))
          if (out_width > 1)
            TS_MVE_WIDEN(b0, b1, vmulq_s16(vldrbq_s16(p + step), k))
        }
      }
      {
        const int32x4x2_t m = vld2q_s32(mult + c);
        const int16x8_t n = vldrbq_s16(shift + c);
        const int32x4_t n0 = vmovlbq_s16(n), n1 = vmovltq_s16(n);
        int8_t *const to = y + left * channels + c;
        vstrbq_s16(to, ts_mve_narrow(ts_mve_scale_lanes(a0, m.val[0], n0, flags), ts_mve_scale_lanes(a1, m.val[1], n1, flags), zero, lo, hi));
        if (out_width > 1)
          vstrbq_s16(to + channels, ts_mve_narrow(ts_mve_scale_lanes(b0, m.val[0], n0, flags), ts_mve_scale_lanes(b1, m.val[1], n1, flags), zero, lo, hi));
      }
    }
  }
}
`,
};

/**
 * A vector for each window: four channels of the rows are laid out as words of four rows, column by column, so that 16 bytes are four columns of a
 * channel and one VMLADAV adds up a window of up to 4 by 4. Larger windows take several. Weights lie the same way, with 0 where there is none.
 */
const planes: KernelSource = {
  name: "ts_mve_depthwise_planes",
  needs: ["ts_mve_scale", "ts_mve_narrow", "ts_mve_bytes"],
  portable: "",
  mve: `/* out[channel * pitch + column * 4 + row] of 4 channels and up to 4 rows */
TS_INL void ts_mve_columns(const int8_t *const *rows, int at, int kh, int columns, int channels, int8_t *out, int pitch)
{
  const uint32x4_t to = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)pitch);
  const mve_pred16_t here = vctp32q((uint32_t)channels);
  const uint8_t *r0 = (const uint8_t *)rows[0] + at, *r1 = kh > 1 ? (const uint8_t *)rows[1] + at : r0;
  const uint8_t *r2 = kh > 2 ? (const uint8_t *)rows[2] + at : r0, *r3 = kh > 3 ? (const uint8_t *)rows[3] + at : r0;
#define TS_MVE_FOUR(r) (channels < 4 ? vldrbq_z_u32(r, here) : vldrbq_u32(r))
  for (int c = 0; c < columns; c++) {
    uint32x4_t v = TS_MVE_FOUR(r0);
    r0 += channels;
    if (kh > 1) {
      v = vsliq_n_u32(v, TS_MVE_FOUR(r1), 8);
      r1 += channels;
    }
    if (kh > 2) {
      v = vsliq_n_u32(v, TS_MVE_FOUR(r2), 16);
      r2 += channels;
    }
    if (kh > 3) {
      v = vsliq_n_u32(v, TS_MVE_FOUR(r3), 24);
      r3 += channels;
    }
    vstrwq_scatter_offset_u32((uint32_t *)(void *)out, to, v);
    out += 4;
  }
}
/* Sums of four pixels. A window of three columns at the second of four columns is one at the first with the weights a column later. */
TS_INL int32x4_t ts_mve_window(const int8_t *x, int stride, int kw, int8x16_t k, int8x16_t late)
{
  const int next = 4 * stride;
  int32_t s0, s1, s2, s3;
  if (stride == 1 && kw <= 3) {
    const int8x16_t u = vldrbq_s8(x), v = vldrbq_s8(x + 8);
    s0 = vmladavq_s8(u, k);
    s1 = vmladavq_s8(u, late);
    s2 = vmladavq_s8(v, k);
    s3 = vmladavq_s8(v, late);
  } else {
    s0 = vmladavq_s8(vldrbq_s8(x), k);
    s1 = vmladavq_s8(vldrbq_s8(x + next), k);
    s2 = vmladavq_s8(vldrbq_s8(x + 2 * next), k);
    s3 = vmladavq_s8(vldrbq_s8(x + 3 * next), k);
  }
  return ts_mve_odd(ts_mve_even(s0, s2), s1, s3);
}
/* The same for windows of several vectors: x of the groups of rows x_pitch, weights w_pitch apart. */
TS_INL int32x4_t ts_mve_windows(const int8_t *x, int x_pitch, int stride, int groups, int vectors, const int8_t *w, int w_pitch)
{
  const int next = 4 * stride;
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma GCC unroll 2
  for (int g = 0; g < groups; g++, x += x_pitch, w += w_pitch) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      const int8_t *p = x + 16 * v;
      const int8x16_t k = vldrbq_s8(w + 16 * v);
      s0 = vmladavaq_s8(s0, vldrbq_s8(p), k);
      s1 = vmladavaq_s8(s1, vldrbq_s8(p + next), k);
      s2 = vmladavaq_s8(s2, vldrbq_s8(p + 2 * next), k);
      s3 = vmladavaq_s8(s3, vldrbq_s8(p + 3 * next), k);
    }
  }
  return ts_mve_odd(ts_mve_even(s0, s2), s1, s3);
}
TS_INL void ts_mve_depthwise_planes(const int8_t *const *rows, int channels, int kh, int kw, int stride, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  const int groups = (kh + 3) / 4, vectors = (kw + 3) / 4, columns = (out_width - 1) * stride + kw, taken = channels < 4 ? channels : 4;
  const int x_pitch = 4 * ((((out_width + 7) & ~7) - 1) * stride + 4 * vectors), w_pitch = 16 * vectors + 4;
  int8_t *const kernel = scratch + 4 * groups * x_pitch;
  /* pixels 0 4 1 5 2 6 3 7 */
  const uint16x8_t lane = vidupq_n_u16(0, 1);
  const uint16x8_t pixel = vaddq_u16(vshrq_n_u16(lane, 1), vshlq_n_u16(vandq_u16(lane, vdupq_n_u16(1)), 2));
  const uint16x8_t to = vmulq_n_u16(pixel, (uint16_t)channels);
  ts_mve_fill(kernel, 0, 4 * groups * w_pitch);
  for (int c = 0; c < channels; c += 4) {
    /* The last four channels, some of them laid out once more. */
    const int base = channels < 4 ? 0 : c + 4 <= channels ? c : channels - 4;
    for (int g = 0; g < groups; g++) {
      const int high = kh - 4 * g < 4 ? kh - 4 * g : 4;
      const int8_t *const v = w + 4 * g * kw * channels;
      const int8_t *const taps[4] = { v, v + kw * channels, v + 2 * kw * channels, v + 3 * kw * channels };
      ts_mve_columns(rows + 4 * g, base, high, columns, channels, scratch + 4 * g * x_pitch, x_pitch);
      ts_mve_columns(taps, base, high, kw, channels, kernel + 4 * g * w_pitch + 4, w_pitch);
    }
    for (int i = c - base; i < taken; i++) {
      const int8_t *x = scratch + i * x_pitch, *const k = kernel + i * w_pitch + 4;
      const int8x16_t held = vldrbq_s8(k), late = vldrbq_s8(k - 4);
      const ts_mve_channel by = ts_mve_prepare(bias[base + i], mult[base + i], shift[base + i]);
      int8_t *out = y + base + i;
      for (int o = 0; o < out_width; o += 8) {
        int32x4_t p, q;
        int16x8_t v;
        if (groups == 1 && vectors == 1) {
          p = ts_mve_window(x, stride, kw, held, late);
          q = ts_mve_window(x + 16 * stride, stride, kw, held, late);
        } else {
          p = ts_mve_windows(x, 4 * x_pitch, stride, groups, vectors, k, 4 * w_pitch);
          q = ts_mve_windows(x + 16 * stride, 4 * x_pitch, stride, groups, vectors, k, 4 * w_pitch);
        }
        v = ts_mve_narrow(ts_mve_scale(p, &by, flags), ts_mve_scale(q, &by, flags), zero, lo, hi);
        if (out_width % 8 == 0)
          vstrbq_scatter_offset_s16(out, to, v);
        else
          vstrbq_scatter_offset_p_s16(out, to, v, vcmphiq_u16(vdupq_n_u16((uint16_t)(out_width - o)), pixel));
        x += 32 * stride;
        out += 8 * channels;
      }
    }
  }
}
`,
};

/** Helpers of the depthwise convolution. */
export const MVE_DEPTHWISE_HELPERS: readonly KernelSource[] = [lanes, pairs, planes];

/**
 * Whether laying out planes pays, measured against pairs: from 16 pixels in a row on, where the kernel fills most of its vectors. Also what scratch the
 * kernel needs; see scratch.ts.
 */
export function usesPlanes(
  multiplier: number,
  kernel: readonly [number, number],
  dilation: number,
  channels: number,
  outWidth: number,
): boolean {
  return multiplier === 1 && dilation === 1 && channels <= 8000 && outWidth >= 16 && kernel[0] >= 3 && (kernel[1] + 1) % 4 < 2;
}

/** Bytes of the planes of four channels and their weights. */
export function planesBytes(kernel: readonly [number, number], stride: number, outWidth: number): number {
  const groups = Math.ceil(kernel[0] / 4);
  const vectors = Math.ceil(kernel[1] / 4);
  return 16 * groups * ((Math.ceil(outWidth / 8) * 8 - 1) * stride + 4 * vectors) + 4 * groups * (16 * vectors + 4);
}

/** One output row, in planes where {@link usesPlanes} says so. */
export const MVE_DEPTHWISE: SpecialForms = {
  ts_depthwise_row: {
    needs: ["ts_mve_depthwise_lanes", "ts_mve_depthwise_pairs", "ts_mve_depthwise_planes"],
    source: `TS_INL void ts_depthwise_row(const int8_t *const *rows, int channels, int multiplier, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  if (multiplier == 1 && dilation == 1 && channels <= 8000 && out_width >= 16 && kh >= 3 && (kw + 1) % 4 < 2)
    ts_mve_depthwise_planes(rows, channels, kh, kw, stride, out_width, w, bias, mult, shift, zero, lo, hi, scratch, y, flags);
  else if (multiplier == 1 && channels >= 8 && (flags & TS_WEIGHTS_127) != 0)
    ts_mve_depthwise_pairs(rows, channels, kh, kw, stride, dilation, out_width, w, bias, mult, shift, zero, lo, hi, y, flags);
  else
    ts_mve_depthwise_lanes(rows, channels, multiplier, kh, kw, stride, dilation, out_width, w, bias, mult, shift, zero, lo, hi, y, flags);
}
`,
  },
};
