import type { KernelSource } from "../kernel-source.ts";

/** Where the window of an output begins and how many of its columns lie inside the picture. */
const reach: KernelSource = {
  name: "ts_reach",
  needs: [],
  portable: `/* First column inside the picture of the window that begins at *at, which moves there; the columns inside are returned. */
TS_INL int ts_reach(int *at, int width, int kw, int dilation)
{
  int taps = kw;
  while (taps > 0 && *at < 0) {
    *at += dilation;
    taps--;
  }
  while (taps > 0 && *at + (taps - 1) * dilation >= width)
    taps--;
  return taps;
}
`,
};

/** Channels go four at a time; the last four once more where their number is no multiple. */
const maxPoolRow: KernelSource = {
  name: "ts_max_pool_row",
  needs: ["ts_reach"],
  portable: `TS_INL void ts_max_pool_row(const int8_t *const *rows, int valid_rows, int width, int channels, int kw, int stride, int dilation, int left, int out_width, int lo, int hi, int8_t *y)
{
  const int together = channels < 4 ? 1 : 4;
  for (int x = 0; x < out_width; x++, y += channels) {
    int at = x * stride - left;
    const int taps = ts_reach(&at, width, kw, dilation);
    for (int c = 0; c < channels; c += together) {
      const int from = c + together > channels ? channels - together : c;
      int most[4] = { lo, lo, lo, lo };
      for (int r = 0; r < valid_rows; r++) {
        const int8_t *p = rows[r] + at * channels + from;
        for (int t = 0; t < taps; t++, p += dilation * channels) {
          most[0] = p[0] > most[0] ? p[0] : most[0];
          if (together > 1) {
            most[1] = p[1] > most[1] ? p[1] : most[1];
            most[2] = p[2] > most[2] ? p[2] : most[2];
            most[3] = p[3] > most[3] ? p[3] : most[3];
          }
        }
      }
      for (int k = 0; k < together; k++)
        y[from + k] = (int8_t)(most[k] > hi ? hi : most[k]);
    }
  }
}
`,
};

const averagePoolRow: KernelSource = {
  name: "ts_average_pool_row",
  needs: ["ts_reach"],
  portable: `TS_INL void ts_average_pool_row(const int8_t *const *rows, int valid_rows, int width, int channels, int kh, int kw, int stride, int dilation, int left, int out_width, int count_padding, int input_zero, int lo, int hi, int8_t *y)
{
  const int together = channels < 4 ? 1 : 4;
  for (int x = 0; x < out_width; x++, y += channels) {
    int at = x * stride - left;
    const int taps = ts_reach(&at, width, kw, dilation);
    const int count = count_padding ? kh * kw : valid_rows * taps;
    const int start = count_padding ? (kh * kw - valid_rows * taps) * input_zero : 0;
    for (int c = 0; c < channels; c += together) {
      const int from = c + together > channels ? channels - together : c;
      int sums[4] = { start, start, start, start };
      for (int r = 0; r < valid_rows; r++) {
        const int8_t *p = rows[r] + at * channels + from;
        for (int t = 0; t < taps; t++, p += dilation * channels) {
          sums[0] += p[0];
          if (together > 1) {
            sums[1] += p[1];
            sums[2] += p[2];
            sums[3] += p[3];
          }
        }
      }
      for (int k = 0; k < together; k++) {
        const int mean = (sums[k] > 0 ? sums[k] + count / 2 : sums[k] - count / 2) / count;
        y[from + k] = (int8_t)(mean < lo ? lo : mean > hi ? hi : mean);
      }
    }
  }
}
`,
};

/** Four outputs at a time where the innermost axis is left, as in the mean of a picture's channels. */
const mean: KernelSource = {
  name: "ts_mean",
  needs: ["ts_requant", "ts_place"],
  portable: `TS_INL void ts_mean(const int8_t *x, int o0, int r0, int o1, int r1, int o2, int32_t less, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)
{
  const int together = o2 < 4 ? 1 : 4;
  for (int i = 0; i < o0; i++) {
    for (int j = 0; j < o1; j++, y += o2) {
      for (int k = 0; k < o2; k += together) {
        const int from = k + together > o2 ? o2 - together : k;
        const int8_t *p = x + (i * r0 * o1 + j) * r1 * o2 + from;
        int32_t sums[4] = { -less, -less, -less, -less };
        for (int a = 0; a < r0; a++, p += (o1 - 1) * r1 * o2) {
          for (int b = 0; b < r1; b++, p += o2) {
            sums[0] += p[0];
            if (together > 1) {
              sums[1] += p[1];
              sums[2] += p[2];
              sums[3] += p[3];
            }
          }
        }
        for (int n = 0; n < together; n++)
          y[from + n] = ts_place(ts_requant(sums[n], mult, shift), zero, lo, hi);
      }
    }
  }
}
`,
};

/** Kernels that take values together: pools of one output row, means. */
export const POOL_KERNELS: readonly KernelSource[] = [reach, maxPoolRow, averagePoolRow, mean];
