import type { KernelSource } from "../kernel-source.ts";

/**
 * Activations in 16 bits, and one unit's products with them in four gates. A word of activations is widened once for all units, into its even and its odd
 * bytes, as SXTB16 brings those of the weights. Rows of a gate follow each other, so that the pointers are at the next unit's afterwards.
 */
const rows: KernelSource = {
  name: "ts_lstm_rows",
  needs: ["ts_last_word"],
  portable: "",
  dsp: String.raw`typedef struct ts_lstm_rows {
  const int32_t *x;
  const int8_t *w[4];
  int32_t sums[4], words;
} ts_lstm_rows;
#define TS_LSTM_ROW(p, s) "ldr r11, [" p "], #4\n\tsxtb16 r12, r11\n\tsmlad " s ", r9, r12, " s "\n\tsxtb16 r11, r11, ror #8\n\tsmlad " s ", r10, r11, " s "\n\t"
TS_FAR void ts_lstm_dots(ts_lstm_rows *p)
{
  register ts_lstm_rows *r0 __asm__("r0") = p;
  __asm__ volatile(
      "push {r0, r4-r11, lr}\n\tldr lr, [r0, #36]\n\tldm r0, {r0-r4}\n\tmovs r5, #0\n\tmovs r6, #0\n\tmovs r7, #0\n\tmov r8, r7\n"
      "1:\n\tldm r0!, {r9, r10}\n\t"
      TS_LSTM_ROW("r1", "r5") TS_LSTM_ROW("r2", "r6") TS_LSTM_ROW("r3", "r7") TS_LSTM_ROW("r4", "r8")
      "subs lr, lr, #1\n\tbne 1b\n\tldr r12, [sp]\n\tadd r12, r12, #4\n\tstm r12, {r1-r8}\n\tpop {r0, r4-r11, lr}\n\t"
      : "+r"(r0)
      :
      : "r1", "r2", "r3", "r12", "lr", "cc", "memory");
}
TS_INL void ts_lstm_widen(int32_t *to, const int8_t *x, int count)
{
  for (int i = 0; i < count; i += 4, to += 2) {
    uint32_t v;
    if (i + 4 <= count)
      memcpy(&v, x + i, 4);
    else
      v = ts_last_word(x + i, count - i);
    to[0] = (int32_t)__sxtb16((int8x4_t)v);
    to[1] = (int32_t)__sxtb16((int8x4_t)(v >> 8));
  }
}
`,
};

/** Helper of the LSTM. */
export const DSP_LSTM_HELPERS: readonly KernelSource[] = [rows];

/** ts_saturate16 in one instruction. */
export const DSP_SATURATE16 = {
  needs: [],
  source: `TS_INL int32_t ts_saturate16(int32_t x)
{
  return __ssat(x, 16);
}
`,
};

/** The activations in 16 bits lie in the scratch behind the cell state. */
export const DSP_LSTM = {
  needs: ["ts_lstm_rows", "ts_lstm_gate", "ts_lstm_unit"],
  source: `TS_INL void ts_lstm(const int8_t *x, int time, int inputs, int input_pitch, int hidden, int hidden_pitch, int hidden_zero, const ts_gate *gates, int32_t cell_mult, int cell_shift, int cell_clip, int32_t forget_mult, int forget_shift, int32_t input_mult, int input_shift, int32_t hidden_mult, int hidden_shift, int8_t *scratch, int8_t *y, int8_t *last_hidden, int16_t *last_cell, int flags)
{
  const ts_lstm_scales k = { cell_mult, cell_shift, cell_clip, forget_mult, forget_shift, input_mult, input_shift, hidden_mult, hidden_shift, hidden_zero };
  const int8_t *before = scratch;
  int8_t *cells = scratch + ((hidden + 15) & ~15);
  ts_lstm_rows own = { (int32_t *)(void *)(cells + ((2 * hidden + 15) & ~15)), { NULL }, { 0 }, input_pitch >> 2 };
  ts_lstm_rows back = { own.x + (input_pitch >> 1), { NULL }, { 0 }, hidden_pitch >> 2 };
  memset(scratch, hidden_zero, (size_t)hidden);
  memset(cells, 0, (size_t)hidden * sizeof(int16_t));
  for (int t = 0; t < time; t++, x += inputs, before = y, y += hidden) {
    ts_lstm_widen((int32_t *)own.x, x, inputs);
    ts_lstm_widen((int32_t *)back.x, before, hidden);
    for (int g = 0; g < 4; g++) {
      own.w[g] = gates[g].weights;
      back.w[g] = gates[g].recurrent;
    }
    for (int h = 0; h < hidden; h++) {
      int32_t gate[4];
      ts_lstm_dots(&own);
      ts_lstm_dots(&back);
#pragma GCC unroll 4
      for (int g = 0; g < 4; g++)
        gate[g] = ts_lstm_gate(own.sums[g], back.sums[g], hidden, &gates[g], h, flags);
      y[h] = ts_lstm_unit(gate, cells + 2 * h, &k);
    }
  }
  if (last_hidden != NULL)
    memcpy(last_hidden, before, (size_t)hidden);
  if (last_cell != NULL)
    memcpy(last_cell, cells, (size_t)hidden * sizeof(int16_t));
}
`,
};
