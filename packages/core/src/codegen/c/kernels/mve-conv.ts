import type { KernelSource, SpecialForms } from "../kernel-source.ts";

/** One window of all rows as a column, [kh, kw, channels], and up to 15 bytes behind it. */
const gather: KernelSource = {
  name: "ts_mve_gather",
  needs: ["ts_mve_bytes"],
  portable: "",
  mve: `TS_INL int8_t *ts_mve_piece(int8_t *column, const int8_t *p, int count)
{
  int i = 0;
  if (count == 1 || count == 2 || count == 4)
    memcpy(column, p, (size_t)count);
  else
    for (; i < count; i += 16)
      vstrbq_s8(column + i, ts_mve_load(p + i, count - i));
  return column + count;
}
TS_INL void ts_mve_gather(const int8_t *const *rows, int at, int channels, int kh, int kw, int dilation, int8_t *column)
{
  for (int ky = 0; ky < kh; ky++) {
    const int8_t *p = rows[ky] + at;
    if (dilation == 1)
      column = ts_mve_piece(column, p, kw * channels);
    else
      for (int kx = 0; kx < kw; kx++, p += dilation * channels)
        column = ts_mve_piece(column, p, channels);
  }
}
`,
};

/** Helpers of the convolution. */
export const MVE_CONV_HELPERS: readonly KernelSource[] = [gather];

/** Bytes of the columns that are made at once, and of what may be read and written behind them. */
export function columnsBytes(depth: number, outWidth: number): number {
  const block = outWidth < 4 ? 1 : depth <= 64 && outWidth >= 8 && outWidth % 8 < 4 ? 8 : 4;
  return block * depth + 16;
}

/**
 * Four windows at a time, or eight small ones, become columns, which meet all outputs as so many pixels; the last up to three go one by one. Scratch:
 * {@link columnsBytes}.
 */
export const MVE_CONV: SpecialForms = {
  ts_conv_row: {
    needs: ["ts_mve_gather", "ts_mve_matmul", "ts_mve_matvec"],
    source: `TS_INL void ts_conv_row(const int8_t *const *rows, int channels, int kh, int kw, int stride, int dilation, int out_width, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  const int depth = kh * kw * channels, step = stride * channels, block = depth <= 64 && out_width >= 8 && out_width % 8 < 4 ? 8 : 4;
  const int whole = outputs <= 20000 ? out_width - out_width % block : 0;
  for (int x = 0; x < whole; x += block) {
    for (int i = 0; i < block; i++)
      ts_mve_gather(rows, (x + i) * step, channels, kh, kw, dilation, scratch + i * depth);
    ts_mve_matmul(scratch, block, depth, 16, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y + x * outputs, flags);
  }
  for (int x = whole; x < out_width; x++) {
    ts_mve_gather(rows, x * step, channels, kh, kw, dilation, scratch);
    ts_mve_matvec(scratch, 1, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y + x * outputs, flags);
  }
}
`,
  },
};
