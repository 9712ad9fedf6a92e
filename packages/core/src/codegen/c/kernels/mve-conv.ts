import type { SpecialForms } from "../kernel-source.ts";

/** Four windows at a time become columns, which meet all outputs as four pixels; rows of up to three pixels go one by one. */
export const MVE_CONV: SpecialForms = {
  ts_gather_window: {
    needs: ["ts_mve_bytes"],
    source: `TS_INL void ts_gather_window(const int8_t *const *rows, int at, int channels, int kh, int kw, int dilation, int8_t *column)
{
  for (int ky = 0; ky < kh; ky++) {
    const int8_t *p = rows[ky] + at;
    if (dilation == 1) {
      ts_mve_copy(column, p, kw * channels);
      column += kw * channels;
    } else {
      for (int kx = 0; kx < kw; kx++, p += dilation * channels, column += channels)
        ts_mve_copy(column, p, channels);
    }
  }
}
`,
  },
  ts_conv_row: {
    needs: ["ts_mve_matmul", "ts_mve_matvec"],
    source: `TS_INL void ts_conv_row(const int8_t *const *rows, int channels, int kh, int kw, int stride, int dilation, int out_width, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  const int depth = kh * kw * channels, step = stride * channels, block = out_width < 4 || outputs > 20000 ? 1 : 4;
  for (int x = 0; x < out_width; x += block) {
    /* The last four, some of them once more. */
    const int from = x + block > out_width ? out_width - block : x;
    for (int i = 0; i < block; i++)
      ts_gather_window(rows, (from + i) * step, channels, kh, kw, dilation, scratch + i * depth);
    if (block == 1)
      ts_mve_matvec(scratch, 1, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y + from * outputs, flags);
    else
      ts_mve_matmul(scratch, 4, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y + from * outputs, flags);
  }
}
`,
  },
};
