import type { KernelSource } from "../kernel-source.ts";

/**
 * Depthwise convolution of any window for four channels, one pixel or two at a time: a word of weights becomes its even and its odd bytes in 16 bits, and so
 * does each word of activations, whose halves SMLABB and SMLATT multiply. Two pixels share what is done to the weights. Nothing is prepared, so that layers
 * with a single output a row, which meet each weight once, gain as well.
 */
const dw4: KernelSource = {
  name: "ts_dw4",
  needs: ["ts_finish", "ts_sum_end"],
  portable: "",
  dsp: String.raw`/* In one piece, because the compiler has no register to spare. */
#define TS_DW4_SPLIT(p, even, odd) { uint32_t v; memcpy(&v, p, 4); __asm__("sxtb16 %1, %0, ror #8\n\tsxtb16 %0, %0" : "+r"(v), "=&r"(odd)); even = v; }
#define TS_DW4_ADD(p, s) { uint32_t v, t; memcpy(&v, p, 4); \
  __asm__("sxtb16 %1, %0, ror #8\n\tsxtb16 %0, %0\n\tsmlabb %2, %0, %6, %2\n\tsmlabb %3, %1, %7, %3\n\tsmlatt %4, %0, %6, %4\n\tsmlatt %5, %1, %7, %5" \
    : "+r"(v), "=&r"(t), "+r"(s##0), "+r"(s##1), "+r"(s##2), "+r"(s##3) : "r"(we), "r"(wo)); }
/* With up to nine taps, the portable form has them written out, and requantisation counts for more. */
TS_INL int ts_dw4_fits(int channels, int multiplier, int kh, int kw)
{
  return multiplier == 1 && channels >= 4 && kh * kw > 9;
}
TS_INL void ts_dw4_sums(const int8_t *const *rows, int at, int step, int tap, int kh, int kw, const int8_t *w, int channels, int two, int32_t *sums)
{
  int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3], b0 = a0, b1 = a1, b2 = a2, b3 = a3;
  for (int ky = 0; ky < kh; ky++, w += kw * channels) {
    const int8_t *p = rows[ky] + at;
    /* Or the compiler works out each tap's place in a row by itself and runs out of registers. */
    __asm__("" : "+r"(p));
#pragma GCC unroll 8
    for (int kx = 0; kx < kw; kx++) {
      uint32_t we, wo;
      TS_DW4_SPLIT(w + kx * channels, we, wo)
      TS_DW4_ADD(p + kx * tap, a)
      if (two) {
        TS_IN_ORDER
        TS_DW4_ADD(p + kx * tap + step, b)
      }
      TS_IN_ORDER
    }
  }
  sums[0] = a0;
  sums[1] = a1;
  sums[2] = a2;
  sums[3] = a3;
  sums[4] = b0;
  sums[5] = b1;
  sums[6] = b2;
  sums[7] = b3;
}
TS_INL void ts_dw4_row(const int8_t *const *rows, int channels, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  const int step = stride * channels, tap = dilation * channels;
  for (int c = 0; c < channels; c += 4) {
    /* The last four channels overlap those before them when their number is no multiple of 4. */
    const int from = channels % 4 == 0 || c + 4 <= channels ? c : channels - 4;
    int at = from;
    int8_t *to = y + from;
    for (int x = 0; x < out_width; x += 2, at += 2 * step, to += 2 * channels) {
      const int two = out_width % 2 == 0 || x + 2 <= out_width;
      int32_t sums[8];
      for (int i = 0; i < 4; i++)
        sums[i] = ts_sum_start(bias[from + i], flags);
      if (two)
        ts_dw4_sums(rows, at, step, tap, kh, kw, w + from, channels, 1, sums);
      else
        ts_dw4_sums(rows, at, step, tap, kh, kw, w + from, channels, 0, sums);
#ifndef TS_SMALL
#pragma GCC unroll 4
#endif
      for (int i = 0; i < 4; i++) {
        const int32_t first = bias[from + i], by = mult[from + i];
        const int down = shift[from + i];
        to[i] = ts_finish(ts_sum_end(sums[i], first, flags), by, down, zero, lo, hi, flags);
        if (two)
          to[channels + i] = ts_finish(ts_sum_end(sums[4 + i], first, flags), by, down, zero, lo, hi, flags);
      }
    }
  }
}
`,
};

/** Helpers of the depthwise form. */
export const DSP_DW4: readonly KernelSource[] = [dw4];
