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

const maxPoolRow: KernelSource = {
  name: "ts_max_pool_row",
  needs: ["ts_reach"],
  portable: `TS_INL void ts_max_pool_row(const int8_t *const *rows, int valid_rows, int width, int channels, int kw, int stride, int dilation, int left, int out_width, int lo, int hi, int8_t *y)
{
  for (int x = 0; x < out_width; x++, y += channels) {
    int at = x * stride - left;
    const int taps = ts_reach(&at, width, kw, dilation);
    for (int c = 0; c < channels; c++) {
      int most = lo;
      for (int r = 0; r < valid_rows; r++) {
        const int8_t *p = rows[r] + at * channels + c;
        for (int t = 0; t < taps; t++, p += dilation * channels)
          most = *p > most ? *p : most;
      }
      y[c] = (int8_t)(most > hi ? hi : most);
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
  for (int x = 0; x < out_width; x++, y += channels) {
    int at = x * stride - left;
    const int taps = ts_reach(&at, width, kw, dilation);
    const int count = count_padding ? kh * kw : valid_rows * taps;
    const int start = count_padding ? (kh * kw - valid_rows * taps) * input_zero : 0;
    for (int c = 0; c < channels; c++) {
      int sum = start;
      for (int r = 0; r < valid_rows; r++) {
        const int8_t *p = rows[r] + at * channels + c;
        for (int t = 0; t < taps; t++, p += dilation * channels)
          sum += *p;
      }
      sum = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
      y[c] = (int8_t)(sum < lo ? lo : sum > hi ? hi : sum);
    }
  }
}
`,
};

const mean: KernelSource = {
  name: "ts_mean",
  needs: ["ts_requant", "ts_place"],
  portable: `TS_INL void ts_mean(const int8_t *x, int o0, int r0, int o1, int r1, int o2, int32_t less, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)
{
  for (int i = 0; i < o0; i++) {
    for (int j = 0; j < o1; j++) {
      for (int k = 0; k < o2; k++) {
        const int8_t *p = x + (i * r0 * o1 + j) * r1 * o2 + k;
        int32_t sum = 0;
        for (int a = 0; a < r0; a++, p += (o1 - 1) * r1 * o2) {
          for (int b = 0; b < r1; b++, p += o2)
            sum += *p;
        }
        *y++ = ts_place(ts_requant(sum - less, mult, shift), zero, lo, hi);
      }
    }
  }
}
`,
};

/** Kernels that take values together: pools of one output row, means. */
export const POOL_KERNELS: readonly KernelSource[] = [reach, maxPoolRow, averagePoolRow, mean];
