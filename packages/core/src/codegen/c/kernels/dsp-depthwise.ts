import { DW3_COLUMNS } from "./dsp-dw3.ts";

/** The tables of all channels, which are then there for all rows. */
export const DSP_DEPTHWISE_BEGIN = {
  needs: ["ts_dw3"],
  source: `TS_FAR void ts_dw3_tables(int32_t *table, int channels, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero)
{
  for (int c = 0; c < channels; c += 4, table += 32) {
    const int at = c + 4 > channels ? channels - 4 : c;
    ts_dw3_table(table, channels, w + at, bias + at, mult + at, shift + at, zero);
  }
}

TS_INL void ts_depthwise_begin(int channels, int multiplier, int kh, int kw, int stride, int dilation, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int flags)
{
  if (ts_dw3_fits(channels, multiplier, kh, kw, stride, dilation, lo, hi, flags))
    ts_dw3_tables((int32_t *)(void *)scratch, channels, w, bias, mult, shift, zero);
}
`,
};

/** Four channels at a time: windows of 3 by 3 with a stride of 1 or 2 see dsp-dw3.ts, larger ones dsp-dw4.ts. What fits neither takes the portable form. */
export const DSP_DEPTHWISE_ROW = {
  needs: ["ts_dw3", "ts_dw4", "ts_portable_depthwise_row"],
  source: `/* One instance for all layers with the same stride and flags. */
TS_INL void ts_dw3_row(const int8_t *const *rows, int channels, int stride, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int8_t *scratch, int8_t *y, int flags, int begun)
{
  int32_t *table = (int32_t *)(void *)scratch, *const pairs = table + (begun ? (channels + 3) >> 2 : 1) * 32;
  for (int c = 0; c < channels; c += 4) {
    /* The last four channels overlap those before them when their number is no multiple of 4. */
    const int at = c + 4 > channels ? channels - 4 : c;
    if (!begun)
      ts_dw3_table(table, channels, w + at, bias + at, mult + at, shift + at, zero);
    for (int x = 0; x < out_width; x += ${DW3_COLUMNS}) {
      const int count = out_width - x < ${DW3_COLUMNS} ? out_width - x : ${DW3_COLUMNS}, columns = (count - 1) * stride + 3, from = x * stride * channels + at;
      const ts_dw3 d = { { rows[0] + from, rows[1] + from, rows[2] + from }, channels, pairs, pairs + (columns >> 1) * 12, pairs + ((columns + 1) >> 1) * 12 };
      const ts_dw3_out o = { table, pairs, y + x * channels + at, channels, (stride == 1 ? count >> 1 : count) * 48, count & 1 };
      ts_dw3_split(&d);
      if (stride == 1 && (flags & TS_RELU) != 0)
        ts_dw3_put_1_relu(&o);
      else if (stride == 1)
        ts_dw3_put_1_any(&o);
      else if ((flags & TS_RELU) != 0)
        ts_dw3_put_2_relu(&o);
      else
        ts_dw3_put_2_any(&o);
    }
    if (begun)
      table += 32;
  }
}

#define TS_DW3_ROW(name, stride, flags) \\
  TS_FAR void name(const int8_t *const *rows, int channels, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int8_t *scratch, int8_t *y, int begun) \\
  { \\
    ts_dw3_row(rows, channels, stride, out_width, w, bias, mult, shift, zero, scratch, y, flags, begun); \\
  }
TS_DW3_ROW(ts_dw3_row_1_relu, 1, TS_RELU)
TS_DW3_ROW(ts_dw3_row_1_any, 1, 0)
TS_DW3_ROW(ts_dw3_row_2_relu, 2, TS_RELU)
TS_DW3_ROW(ts_dw3_row_2_any, 2, 0)

TS_INL void ts_depthwise_row(const int8_t *const *rows, int channels, int multiplier, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)
{
  const int begun = flags & TS_BEGUN;
  if (ts_dw4_fits(channels, multiplier, kh, kw))
    ts_dw4_row(rows, channels, kh, kw, stride, dilation, out_width, w, bias, mult, shift, zero, lo, hi, y, flags);
  else if (!ts_dw3_fits(channels, multiplier, kh, kw, stride, dilation, lo, hi, flags))
    ts_portable_depthwise_row(rows, channels, multiplier, kh, kw, stride, dilation, out_width, w, bias, mult, shift, zero, lo, hi, scratch, y, flags);
  else if (stride == 1 && (flags & TS_RELU) != 0)
    ts_dw3_row_1_relu(rows, channels, out_width, w, bias, mult, shift, zero, scratch, y, begun);
  else if (stride == 1)
    ts_dw3_row_1_any(rows, channels, out_width, w, bias, mult, shift, zero, scratch, y, begun);
  else if ((flags & TS_RELU) != 0)
    ts_dw3_row_2_relu(rows, channels, out_width, w, bias, mult, shift, zero, scratch, y, begun);
  else
    ts_dw3_row_2_any(rows, channels, out_width, w, bias, mult, shift, zero, scratch, y, begun);
}
`,
};
