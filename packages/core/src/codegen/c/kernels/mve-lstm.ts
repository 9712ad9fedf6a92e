import type { KernelSource, SpecialForms } from "../kernel-source.ts";

/**
 * Logistic and tanh of four arguments at a time, and the sums of four units in one gate. What is below 0 comes by complement: with m all ones there,
 * -r - 1 is r ^ m, which saves telling the cases apart.
 */
const units: KernelSource = {
  name: "ts_mve_lstm",
  needs: ["ts_sigmoid", "ts_mve_dots", "ts_mve_scale"],
  portable: "",
  mve: `TS_INL int32x4_t ts_mve_sat16(int32x4_t v)
{
  return vmovlbq_s16(vqmovnbq_s32(vreinterpretq_s16_s32(v), v));
}
/* 'at' is below 255; from the last point on what is 'rest' counts as 0. */
TS_INL int32x4_t ts_mve_points(uint32x4_t at, uint32x4_t next, uint32x4_t rest, int bits)
{
  const int32x4_t left = vreinterpretq_s32_u32(vldrhq_gather_shifted_offset_u32(ts_sigmoid_points, at));
  const int32x4_t right = vreinterpretq_s32_u32(vldrhq_gather_shifted_offset_u32(ts_sigmoid_points, next));
  return vaddq_s32(vshlq_n_s32(left, bits), vmulq_s32(vreinterpretq_s32_u32(rest), vsubq_s32(right, left)));
}
/* Arguments of 3 times 16 bits, which end before the last point. */
TS_INL int32x4_t ts_mve_logistic16(int32x4_t a)
{
  const uint32x4_t size = vreinterpretq_u32_s32(vabsq_s32(a)), at = vshrq_n_u32(size, 9);
  const int32x4_t m = vshrq_n_s32(a, 31), sum = ts_mve_points(at, vaddq_n_u32(at, 1), vandq_u32(size, vdupq_n_u32(511)), 9);
  return vaddq_s32(vshrq_n_s32(veorq_s32(vaddq_n_s32(sum, 512), m), 10), vandq_s32(m, vdupq_n_s32(32769)));
}
/* The last point is 0xffff, which is where the function ends. */
TS_INL int32x4_t ts_mve_tanh16(int32x4_t a)
{
  const uint32x4_t size = vminq_u32(vreinterpretq_u32_s32(vabsq_s32(a)), vdupq_n_u32(255 << 8)), at = vshrq_n_u32(size, 8);
  const uint32x4_t next = vminq_u32(vaddq_n_u32(at, 1), vdupq_n_u32(255));
  const int32x4_t m = vshrq_n_s32(a, 31), sum = ts_mve_points(at, next, vandq_u32(size, vdupq_n_u32(255)), 8);
  return vsubq_s32(vshrq_n_s32(veorq_s32(vsubq_n_s32(sum, 0x800000 - 128), m), 8), m);
}
/* Rows behind the last one are that one again. */
TS_INL int32x4_t ts_mve_rows(const int8_t *x, int depth, int pitch, const int8_t *w, int left)
{
  const int n1 = left > 1 ? pitch : 0, n2 = left > 2 ? 2 * pitch : n1, n3 = left > 3 ? 3 * pitch : n2;
  return ts_mve_dot_1x4(x, depth, w, w + n1, w + n2, w + n3);
}
TS_INL int32x4_t ts_mve_biased(int32x4_t s, const int32_t *bias, int left)
{
  return vaddq_s32(s, left >= 4 ? vldrwq_s32(bias) : vldrwq_z_s32(bias, vctp32q((uint32_t)left)));
}
TS_INL int32x4_t ts_mve_gate(const int8_t *x, int inputs, int input_pitch, const int8_t *before, int hidden, int hidden_pitch, const ts_gate *g, int unit, int left)
{
  const int32x4_t own = ts_mve_biased(ts_mve_rows(x, inputs, input_pitch, g->weights + unit * input_pitch, left), g->bias + unit, left);
  const int32x4_t p = ts_mve_sat16(ts_mve_requant(own, g->mult, g->shift));
  const int32x4_t back = ts_mve_biased(ts_mve_rows(before, hidden, hidden_pitch, g->recurrent + unit * hidden_pitch, left), g->recurrent_bias + unit, left);
  const int32x4_t q = ts_mve_sat16(ts_mve_requant(back, g->recurrent_mult, g->recurrent_shift));
  return ts_mve_sat16(vaddq_s32(p, q));
}
`,
};

/** Helpers of the LSTM. */
export const MVE_LSTM_HELPERS: readonly KernelSource[] = [units];

/** Four units at a time. */
export const MVE_LSTM: SpecialForms = {
  ts_lstm: {
    needs: ["ts_mve_lstm", "ts_mve_scale"],
    source: `TS_INL void ts_mve_units(const int8_t *x, int inputs, int input_pitch, const int8_t *before, int hidden, int hidden_pitch, const ts_gate *gates, const ts_lstm_scales *k, int h, int left, int16_t *cells, int8_t *y)
{
#define TS_MVE_GATE(g) vmulq_n_s32(ts_mve_gate(x, inputs, input_pitch, before, hidden, hidden_pitch, &gates[g], h, left), 3)
  const mve_pred16_t some = vctp32q((uint32_t)left);
  int32x4_t added = ts_mve_logistic16(TS_MVE_GATE(1)), state, shown;
  added = vmulq_s32(added, ts_mve_tanh16(TS_MVE_GATE(2)));
  added = ts_mve_sat16(ts_mve_requant(added, k->input_mult, k->input_shift));
  state = ts_mve_logistic16(TS_MVE_GATE(0));
  state = vmulq_s32(state, left >= 4 ? vldrhq_s32(cells + h) : vldrhq_z_s32(cells + h, some));
  state = ts_mve_sat16(ts_mve_requant(state, k->forget_mult, k->forget_shift));
  state = ts_mve_sat16(vaddq_s32(state, added));
  if (k->cell_clip > 0)
    state = vmaxq_s32(vminq_s32(state, vdupq_n_s32(k->cell_clip)), vdupq_n_s32(-k->cell_clip));
  if (left >= 4)
    vstrhq_s32(cells + h, state);
  else
    vstrhq_p_s32(cells + h, state, some);
  state = vmulq_n_s32(state, k->cell_mult);
  if (k->cell_shift > 0)
    state = vrshlq_n_s32(state, -k->cell_shift);
  shown = vmulq_s32(ts_mve_tanh16(state), ts_mve_logistic16(TS_MVE_GATE(3)));
#undef TS_MVE_GATE
  shown = vqaddq_n_s32(ts_mve_requant(shown, k->hidden_mult, k->hidden_shift), k->hidden_zero);
  shown = vmaxq_s32(vminq_s32(shown, vdupq_n_s32(127)), vdupq_n_s32(-128));
  if (left >= 4)
    vstrbq_s32(y + h, shown);
  else
    vstrbq_p_s32(y + h, shown, some);
}
TS_INL void ts_lstm(const int8_t *x, int time, int inputs, int input_pitch, int hidden, int hidden_pitch, int hidden_zero, const ts_gate *gates, int32_t cell_mult, int cell_shift, int cell_clip, int32_t forget_mult, int forget_shift, int32_t input_mult, int input_shift, int32_t hidden_mult, int hidden_shift, int8_t *scratch, int8_t *y, int8_t *last_hidden, int16_t *last_cell, int flags)
{
  const ts_lstm_scales k = { cell_mult, cell_shift, cell_clip, forget_mult, forget_shift, input_mult, input_shift, hidden_mult, hidden_shift, hidden_zero };
  const int8_t *before = scratch;
  int8_t *cells = scratch + ((hidden + 15) & ~15);
  (void)flags;
  memset(scratch, hidden_zero, (size_t)hidden);
  memset(cells, 0, (size_t)hidden * sizeof(int16_t));
  for (int t = 0; t < time; t++, x += inputs, before = y, y += hidden) {
    int h = 0;
    for (; h + 4 <= hidden; h += 4)
      ts_mve_units(x, inputs, input_pitch, before, hidden, hidden_pitch, gates, &k, h, 4, (int16_t *)(void *)cells, y);
    if (hidden % 4 != 0)
      ts_mve_units(x, inputs, input_pitch, before, hidden, hidden_pitch, gates, &k, h, hidden % 4, (int16_t *)(void *)cells, y);
  }
  if (last_hidden != NULL)
    memcpy(last_hidden, before, (size_t)hidden);
  if (last_cell != NULL)
    memcpy(last_cell, cells, (size_t)hidden * sizeof(int16_t));
}
`,
  },
};
