/** Three pixels at a time, see dsp-dot3.ts; a single pixel and what the fast form does not fit take the portable form. */
export const DSP_POINTWISE = {
  needs: ["ts_dot3", "ts_portable_pointwise"],
  source: `/* One instance for all layers with the same flags. */
TS_INL void ts_pixels3(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int8_t *scratch, int8_t *y, int flags)
{
  ts_dot3 d = { (int32_t *)(void *)scratch, pitch >> 2, bias, mult, shift, 2 * zero + 1, y, 0, 0, y, w, pitch };
  for (; pixels > 0; pixels -= 3, x += 3 * depth, d.y += 3 * outputs) {
    /* Missing pixels are the one before them again: equal results go to one place. */
    const int s1 = pixels > 1, s2 = pixels > 2 ? 2 : s1;
    ts_widen3((int32_t *)(void *)scratch, x, x + s1 * depth, x + s2 * depth, depth);
    d.d1 = s1 * outputs;
    d.d2 = s2 * outputs;
    ts_dot3_outputs(&d, outputs, flags);
  }
}

#define TS_PIXELS3(name, flags) \\
  TS_FAR void name(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int8_t *scratch, int8_t *y) \\
  { \\
    ts_pixels3(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, scratch, y, flags); \\
  }
TS_PIXELS3(ts_pixels3_rows_relu, TS_RELU)
TS_PIXELS3(ts_pixels3_rows_any, 0)
TS_PIXELS3(ts_pixels3_pairs_relu, TS_PAIRS | TS_RELU)
TS_PIXELS3(ts_pixels3_pairs_any, TS_PAIRS)

TS_INL void ts_pointwise(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  if ((flags & TS_PAIRS) != 0) {
    if ((flags & TS_RELU) != 0)
      ts_pixels3_pairs_relu(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, scratch, y);
    else
      ts_pixels3_pairs_any(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, scratch, y);
  } else if (pixels == 1 || pitch != ((depth + 3) & ~3) || !ts_dot3_fits(outputs, lo, hi, flags))
    ts_portable_pointwise(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, scratch, y, flags);
  else if ((flags & TS_RELU) != 0)
    ts_pixels3_rows_relu(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, scratch, y);
  else
    ts_pixels3_rows_any(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, scratch, y);
}
`,
};
