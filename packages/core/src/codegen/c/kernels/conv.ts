import type { KernelSource } from "../kernel-source.ts";

/** One window of all rows as a column, [kh, kw, channels]. Without dilation a row of the window lies in one piece. */
const gatherWindow: KernelSource = {
  name: "ts_gather_window",
  needs: [],
  portable: `TS_INL void ts_gather_window(const int8_t *const *rows, int at, int channels, int kh, int kw, int dilation, int8_t *column)
{
  for (int ky = 0; ky < kh; ky++) {
    const int8_t *p = rows[ky] + at;
    if (dilation == 1) {
      memcpy(column, p, (size_t)(kw * channels));
      column += kw * channels;
    } else {
      for (int kx = 0; kx < kw; kx++, p += dilation * channels, column += channels)
        memcpy(column, p, (size_t)channels);
    }
  }
}
`,
};

/** Two windows at a time become columns, which meet all outputs as two pixels. The other forms have kernels of their own that take scratch besides. */
const convRow: KernelSource = {
  name: "ts_conv_row",
  needs: ["ts_gather_window", "ts_pointwise"],
  portable: `TS_INL void ts_conv_row(const int8_t *const *rows, int channels, int kh, int kw, int stride, int dilation, int out_width, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  const int depth = kh * kw * channels;
  int8_t *column = scratch;
  for (int x = 0; x < out_width; x += 2) {
    /* The last column stands twice when their number is odd: one body serves all. */
    const int from = out_width > 1 && x + 2 > out_width ? out_width - 2 : x;
    ts_gather_window(rows, from * stride * channels, channels, kh, kw, dilation, column);
    if (out_width > 1)
      ts_gather_window(rows, (from + 1) * stride * channels, channels, kh, kw, dilation, column + depth);
    ts_pointwise(column, out_width > 1 ? 2 : 1, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, NULL, y + from * outputs, flags);
  }
}
`,
};

/** Convolution in groups, output by output. */
const groupConvRow: KernelSource = {
  name: "ts_group_conv_row",
  needs: ["ts_finish", "ts_sum_end"],
  portable: `TS_INL void ts_group_conv_row(const int8_t *const *rows, int channels, int group, int kh, int kw, int stride, int dilation, int out_width, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)
{
  const int depth = channels / group, made = outputs / group;
  for (int x = 0; x < out_width; x++) {
    for (int g = 0; g < group; g++) {
      const int at = x * stride * channels + g * depth;
      for (int o = g * made; o < (g + 1) * made; o++) {
        const int8_t *v = w + o * pitch;
        int32_t sum = ts_sum_start(bias[o], flags);
        for (int ky = 0; ky < kh; ky++) {
          const int8_t *p = rows[ky] + at;
          for (int kx = 0; kx < kw; kx++, p += dilation * channels, v += depth) {
            for (int c = 0; c < depth; c++)
              sum += p[c] * v[c];
          }
        }
        *y++ = ts_finish(ts_sum_end(sum, bias[o], flags), mult[o], shift[o], zero, lo, hi, flags);
      }
    }
  }
}
`,
};

/** Convolutions of one output row. */
export const CONV_KERNELS: readonly KernelSource[] = [gatherWindow, convRow, groupConvRow];
