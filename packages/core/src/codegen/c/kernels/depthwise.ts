import type { KernelSource } from "../kernel-source.ts";

/**
 * One output row, channel by channel: the weights and the multiplier of a channel stay at hand for the whole row, and each weight meets several pixels.
 * Windows of 3 by 3 are written out, so that pixels which overlap are loaded once.
 */
const depthwiseRow: KernelSource = {
  name: "ts_depthwise_row",
  needs: ["ts_finish", "ts_sum_end"],
  portable: `#define TS_TAPS_2(p, v) { const int32_t k = *(v); s0 += (p)[0] * k; s1 += (p)[step] * k; }
TS_INL void ts_depthwise_row(const int8_t *const *rows, int channels, int multiplier, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  const int outputs = channels * multiplier, step = stride * channels, tap = dilation * channels;
  (void)scratch;
  for (int c = 0, o = 0; c < channels; c++) {
    for (int m = 0; m < multiplier; m++, o++, w++) {
      const int32_t start = ts_sum_start(bias[o], flags);
      const int32_t by = mult[o];
      const int down = shift[o];
      for (int x = 0; x < out_width; x += 2) {
        /* The last two pixels when their number is odd; a single one is computed twice. */
        const int from = out_width > 1 && x + 2 > out_width ? out_width - 2 : x, at = from * step + c;
        int32_t s0 = start, s1 = start;
        int8_t *to = y + from * outputs + o;
        if (out_width == 1) {
          const int8_t *v = w;
          for (int ky = 0; ky < kh; ky++) {
            const int8_t *p = rows[ky] + at;
            for (int kx = 0; kx < kw; kx++, p += tap, v += outputs)
              s0 += *p * *v;
          }
          *to = ts_finish(ts_sum_end(s0, bias[o], flags), by, down, zero, lo, hi, flags);
          continue;
        }
        if (kh == 3 && kw == 3) {
          const int8_t *p = rows[0] + at, *q = rows[1] + at, *r = rows[2] + at;
          TS_TAPS_2(p, w)
          TS_TAPS_2(p + tap, w + outputs)
          TS_TAPS_2(p + 2 * tap, w + 2 * outputs)
          TS_TAPS_2(q, w + 3 * outputs)
          TS_TAPS_2(q + tap, w + 4 * outputs)
          TS_TAPS_2(q + 2 * tap, w + 5 * outputs)
          TS_TAPS_2(r, w + 6 * outputs)
          TS_TAPS_2(r + tap, w + 7 * outputs)
          TS_TAPS_2(r + 2 * tap, w + 8 * outputs)
        } else {
          const int8_t *v = w;
          for (int ky = 0; ky < kh; ky++) {
            const int8_t *p = rows[ky] + at;
            for (int kx = 0; kx < kw; kx++, p += tap, v += outputs)
              TS_TAPS_2(p, v)
          }
        }
        to[0] = ts_finish(ts_sum_end(s0, bias[o], flags), by, down, zero, lo, hi, flags);
        to[outputs] = ts_finish(ts_sum_end(s1, bias[o], flags), by, down, zero, lo, hi, flags);
      }
    }
  }
}
`,
};

/** Convolution of each channel by itself. */
export const DEPTHWISE_KERNELS: readonly KernelSource[] = [depthwiseRow];
