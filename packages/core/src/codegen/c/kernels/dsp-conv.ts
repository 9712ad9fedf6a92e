/** Three windows at a time become three columns of pairs, see dsp-dot3.ts. */
export const DSP_CONV_ROW = {
  needs: ["ts_dot3", "ts_portable_conv_row"],
  source: `TS_INL void ts_conv_row(const int8_t *const *rows, int channels, int kh, int kw, int stride, int dilation, int out_width, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  if (!ts_dot3_fits(outputs, lo, hi, flags) || pitch != ((kh * kw * channels + 3) & ~3)) {
    ts_portable_conv_row(rows, channels, kh, kw, stride, dilation, out_width, outputs, w, pitch, bias, mult, shift, zero, lo, hi, scratch, y, flags);
    return;
  }
  int32_t *const act = (int32_t *)(void *)scratch;
  int8_t *const columns = scratch + 6 * pitch;
  /* Numbers that lie together in a window; pieces of whole words are split where they lie, others are gathered first. */
  const int piece = dilation == 1 ? kw * channels : channels, pieces = dilation == 1 ? 1 : kw;
  ts_dot3 d = { act, pitch >> 2, bias, mult, shift, 2 * zero + 1, y, 0, 0, y, w, pitch };
  for (int x = 0; x < out_width; x += 3, d.y += 3 * outputs) {
    const int s1 = x + 1 < out_width, s2 = x + 2 < out_width ? 2 : s1;
    const int a = x * stride * channels, b = a + s1 * stride * channels, c = a + s2 * stride * channels;
    int32_t *to = act;
    int8_t *column = columns;
    for (int ky = 0; ky < kh; ky++) {
      const int8_t *p = rows[ky];
      for (int k = 0; k < pieces; k++, p += dilation * channels) {
        if ((piece & 3) == 0)
          to = ts_widen3(to, p + a, p + b, p + c, piece);
        else {
          memcpy(column, p + a, (size_t)piece);
          memcpy(column + pitch, p + b, (size_t)piece);
          memcpy(column + 2 * pitch, p + c, (size_t)piece);
          column += piece;
        }
      }
    }
    if ((piece & 3) != 0)
      /* What lies behind a column meets weights of 0. */
      ts_widen3(act, columns, columns + pitch, columns + 2 * pitch, pitch);
    d.d1 = s1 * outputs;
    d.d2 = s2 * outputs;
    ts_dot3_outputs(&d, outputs, flags);
  }
}
`,
};
