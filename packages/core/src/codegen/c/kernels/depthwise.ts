import type { KernelSource } from "../kernel-source.ts";

/**
 * Two neighbouring pixels of one channel, which each weight meets in turn. Windows of 3 by 3 are written out, row by row, so that taps which the pixels
 * share are loaded once.
 */
const taps2: KernelSource = {
  name: "ts_taps_2",
  needs: [],
  portable: `#define TS_TAPS_2(p, v) { const int32_t k = *(v); s0 += (p)[0] * k; s1 += (p)[step] * k; }
#define TS_TAPS_ROW(p, v) { const int8_t *q = p; TS_TAPS_2(q, v) TS_TAPS_2(q + tap, v + outputs) TS_TAPS_2(q + 2 * tap, v + 2 * outputs) TS_IN_ORDER }
TS_INL void ts_taps_2(const int8_t *const *rows, int at, int step, int tap, int kh, int kw, const int8_t *w, int outputs, int32_t *sums)
{
  int32_t s0 = sums[0], s1 = sums[0];
  if (kh == 3 && kw == 3) {
    TS_TAPS_ROW(rows[0] + at, w)
    TS_TAPS_ROW(rows[1] + at, w + 3 * outputs)
    TS_TAPS_ROW(rows[2] + at, w + 6 * outputs)
  } else {
    for (int ky = 0; ky < kh; ky++) {
      const int8_t *p = rows[ky] + at;
      for (int kx = 0; kx < kw; kx++, p += tap, w += outputs)
        TS_TAPS_2(p, w)
    }
  }
  sums[0] = s0;
  sums[1] = s1;
}
`,
};

/** One pixel of one channel. */
const taps1: KernelSource = {
  name: "ts_taps_1",
  needs: [],
  portable: `#define TS_TAPS_1(p, v) sum += (p)[0] * (v)[0] + (p)[tap] * (v)[outputs] + (p)[2 * tap] * (v)[2 * outputs];
TS_INL int32_t ts_taps_1(const int8_t *const *rows, int at, int tap, int kh, int kw, const int8_t *w, int outputs, int32_t sum)
{
  if (kh == 3 && kw == 3) {
    TS_TAPS_1(rows[0] + at, w)
    TS_TAPS_1(rows[1] + at, w + 3 * outputs)
    TS_TAPS_1(rows[2] + at, w + 6 * outputs)
    return sum;
  }
  for (int ky = 0; ky < kh; ky++) {
    const int8_t *p = rows[ky] + at;
    for (int kx = 0; kx < kw; kx++, p += tap, w += outputs)
      sum += *p * *w;
  }
  return sum;
}
`,
};

/**
 * One output row, channel by channel: the weights and the multiplier of a channel stay at hand for the whole row. Pixels go two at a time, and one by itself
 * where their number is odd. (Four at a time is no faster, and twice the code.)
 */
const depthwiseRow: KernelSource = {
  name: "ts_depthwise_row",
  needs: ["ts_finish", "ts_sum_end", "ts_taps_1", "ts_taps_2"],
  portable: `TS_INL void ts_depthwise_row(const int8_t *const *rows, int channels, int multiplier, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  const int outputs = channels * multiplier, step = stride * channels, tap = dilation * channels;
  (void)scratch;
  for (int c = 0, o = 0; c < channels; c++) {
    for (int m = 0; m < multiplier; m++, o++, w++) {
      const int32_t first = bias[o], by = mult[o];
      const int down = shift[o];
      int at = c;
      int8_t *to = y + o;
      for (int x = 0; x + 2 <= out_width; x += 2, at += 2 * step, to += 2 * outputs) {
        int32_t sums[2] = { ts_sum_start(first, flags), 0 };
        ts_taps_2(rows, at, step, tap, kh, kw, w, outputs, sums);
        to[0] = ts_finish(ts_sum_end(sums[0], first, flags), by, down, zero, lo, hi, flags);
        to[outputs] = ts_finish(ts_sum_end(sums[1], first, flags), by, down, zero, lo, hi, flags);
      }
      if (out_width % 2 != 0)
        *to = ts_finish(ts_sum_end(ts_taps_1(rows, at, tap, kh, kw, w, outputs, ts_sum_start(first, flags)), first, flags), by, down, zero, lo, hi, flags);
    }
  }
}
`,
};

/** What a form may prepare once for all rows; this one prepares nothing. */
const depthwiseBegin: KernelSource = {
  name: "ts_depthwise_begin",
  needs: [],
  portable: `TS_INL void ts_depthwise_begin(int channels, int multiplier, int kh, int kw, int stride, int dilation, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int flags)
{
  (void)channels;
  (void)multiplier;
  (void)kh;
  (void)kw;
  (void)stride;
  (void)dilation;
  (void)w;
  (void)bias;
  (void)mult;
  (void)shift;
  (void)zero;
  (void)lo;
  (void)hi;
  (void)scratch;
  (void)flags;
}
`,
};

/** Convolution of each channel by itself. */
export const DEPTHWISE_KERNELS: readonly KernelSource[] = [depthwiseBegin, taps1, taps2, depthwiseRow];
