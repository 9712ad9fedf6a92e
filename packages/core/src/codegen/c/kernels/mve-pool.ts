import type { SpecialForms } from "../kernel-source.ts";

/**
 * Kernels that take values together: channels in lanes. An average divides by multiplying with ceil(2^32 / count), which is exact for sums of up to 2^32 /
 * count, that is for counts of up to 5000.
 */
export const MVE_POOL: SpecialForms = {
  ts_max_pool_row: {
    needs: ["ts_mve_bytes"],
    source: String.raw`#define TS_MAX_POOL_16(left) { \
  int8x16_t most = vdupq_n_s8((int8_t)lo); \
  for (int r = 0; r < valid_rows; r++) { \
    const int8_t *p = rows[r] + at * channels + c; \
    for (int t = 0; t < taps; t++, p += dilation * channels) \
      most = vmaxq_s8(most, ts_mve_load(p, left)); \
  } \
  ts_mve_store(y + c, hi < 127 ? vminq_s8(most, vdupq_n_s8((int8_t)hi)) : most, left); }
TS_INL void ts_max_pool_row(const int8_t *const *rows, int valid_rows, int width, int channels, int kw, int stride, int dilation, int left, int out_width, int lo, int hi, int8_t *y)
{
  for (int x = 0; x < out_width; x++, y += channels) {
    int at = x * stride - left, c = 0;
    const int taps = ts_reach(&at, width, kw, dilation);
    for (; c + 16 <= channels; c += 16)
      TS_MAX_POOL_16(16)
    if (c < channels)
      TS_MAX_POOL_16(channels - c)
  }
}
`,
  },
  ts_average_pool_row: {
    needs: ["ts_mve_operand", "ts_mve_narrow"],
    source: String.raw`/* Rounded to the nearest, halves away from zero. */
TS_INL int32x4_t ts_mve_divide(int32x4_t sum, int count, uint32_t by)
{
  const int32x4_t sign = vshrq_n_s32(sum, 31);
  const uint32x4_t size = vaddq_n_u32(vreinterpretq_u32_s32(vabsq_s32(sum)), (uint32_t)(count / 2));
  /* 2^32 / 1 does not fit. */
  const int32x4_t q = vreinterpretq_s32_u32(count == 1 ? size : vmulhq_u32(size, vdupq_n_u32(by)));
  return vsubq_s32(veorq_s32(q, sign), sign);
}
/* Sums of 16 bits hold 255 values. */
#define TS_AVERAGE_POOL_8(left) { \
  int32x4_t even = vdupq_n_s32(start), odd = even; \
  for (int r = 0; r < valid_rows; r++) { \
    const int8_t *p = rows[r] + at * channels + c; \
    for (int t = 0; t < taps;) { \
      const int end = taps - t > 255 ? t + 255 : taps; \
      int16x8_t sum = vdupq_n_s16(0); \
      for (; t < end; t++, p += dilation * channels) \
        sum = vaddq_s16(sum, ts_mve_operand(p, 1, left)); \
      even = vaddq_s32(even, vmovlbq_s16(sum)); \
      odd = vaddq_s32(odd, vmovltq_s16(sum)); \
    } \
  } \
  ts_mve_put(y + c, ts_mve_narrow(ts_mve_divide(even, count, by), ts_mve_divide(odd, count, by), 0, lo, hi), left); }
TS_INL void ts_average_pool_row(const int8_t *const *rows, int valid_rows, int width, int channels, int kh, int kw, int stride, int dilation, int left, int out_width, int count_padding, int input_zero, int lo, int hi, int8_t *y)
{
  for (int x = 0; x < out_width; x++, y += channels) {
    int at = x * stride - left, c = 0;
    const int taps = ts_reach(&at, width, kw, dilation);
    const int count = count_padding ? kh * kw : valid_rows * taps;
    const int32_t start = count_padding ? (kh * kw - valid_rows * taps) * input_zero : 0;
    const uint32_t by = 0xffffffffu / (uint32_t)count + 1u;
    for (; c + 8 <= channels; c += 8)
      TS_AVERAGE_POOL_8(8)
    if (c < channels)
      TS_AVERAGE_POOL_8(channels - c)
  }
}
`,
  },
  ts_mean: {
    needs: ["ts_requant", "ts_place", "ts_mve_operand", "ts_mve_place", "ts_mve_bytes"],
    source: String.raw`/* Sums of columns of [r0, o1, r1, kept]: 8 lanes of the kept axis. */
#define TS_MEAN_8(left) { \
  int32x4_t even = vdupq_n_s32(-less), odd = even; \
  for (int a = 0; a < r0; a++) { \
    const int8_t *p = x + ((i * r0 + a) * inner1 + j) * r1 * inner2 + k; \
    for (int b = 0; b < r1; b++, p += inner2) { \
      const int16x8_t v = ts_mve_operand(p, 1, left); \
      even = vaddq_s32(even, vmovlbq_s16(v)); \
      odd = vaddq_s32(odd, vmovltq_s16(v)); \
    } \
  } \
  ts_mve_put(y, ts_mve_place(even, odd, mult, shift, zero, lo, hi), left); y += left; }
TS_INL void ts_mean(const int8_t *x, int o0, int r0, int o1, int r1, int o2, int32_t less, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)
{
  /* Two kept axes with nothing summed between them are one. */
  const int inner1 = r1 == 1 ? 1 : o1, inner2 = r1 == 1 ? o1 * o2 : o2;
  for (int i = 0; i < o0; i++) {
    for (int j = 0; j < inner1; j++) {
      int k = 0;
      if (inner2 == 1) {
        int32_t sum = -less;
        for (int a = 0; a < r0; a++) {
          const int8_t *p = x + ((i * r0 + a) * inner1 + j) * r1;
          for (int b = 0; b < r1; b += 16)
            sum = vaddvaq_s8(sum, ts_mve_load(p + b, r1 - b));
        }
        *y++ = ts_place(ts_requant(sum, mult, shift), zero, lo, hi);
        continue;
      }
      for (; k + 8 <= inner2; k += 8)
        TS_MEAN_8(8)
      if (k < inner2)
        TS_MEAN_8(inner2 - k)
    }
  }
}
`,
  },
};
