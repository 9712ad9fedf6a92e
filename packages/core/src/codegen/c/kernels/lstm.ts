import { SIGMOID_POINTS } from "../../../interp/integer/wide-sigmoid.ts";
import type { KernelSource } from "../kernel-source.ts";

/** Lines of at most 16 numbers. */
function numbers(values: ArrayLike<number>): string {
  const lines: string[] = [];
  for (let i = 0; i < values.length; i += 16)
    lines.push(
      `  ${Array.from(values)
        .slice(i, i + 16)
        .join(", ")},`,
    );
  return lines.join("\n");
}

/** Logistic and tanh of 16 bits: interp/integer/wide-sigmoid.ts. `a` is the argument in 1 / (3 * 2^12). */
const sigmoid: KernelSource = {
  name: "ts_sigmoid",
  needs: [],
  portable: `static const uint16_t ts_sigmoid_points[256] = {
${numbers(SIGMOID_POINTS)}
};
/* Points are 2^bits apart; from the last one on the function counts as 'end'. */
TS_INL int32_t ts_between_points(uint32_t size, int bits, int32_t end)
{
  const uint32_t at = size >> bits;
  if (at >= 255)
    return end;
  return (int32_t)ts_sigmoid_points[at] * (1 << bits) + (int32_t)(size & ((1u << bits) - 1u)) * (ts_sigmoid_points[at + 1] - ts_sigmoid_points[at]);
}
TS_INL uint32_t ts_size(int32_t a)
{
  return a < 0 ? 0u - (uint32_t)a : (uint32_t)a;
}
TS_FAR int32_t ts_logistic16(int32_t a)
{
  const int32_t sum = ts_between_points(ts_size(a), 9, 0x7fff * 1024);
  return (a >= 0 ? sum + 512 : 0x2000000 - sum + 511) >> 10;
}
TS_FAR int32_t ts_tanh16(int32_t a)
{
  const int32_t sum = ts_between_points(ts_size(a), 8, 0xffff * 256) - 0x800000;
  return (a >= 0 ? sum + 128 : 127 - sum) >> 8;
}
`,
};

const saturate16: KernelSource = {
  name: "ts_saturate16",
  needs: [],
  portable: `TS_INL int32_t ts_saturate16(int32_t x)
{
  return x > 32767 ? 32767 : x < -32768 ? -32768 : x;
}
`,
};

/** Sums of one unit in one gate, in Q3.12. Up to that many hidden units, their sums with the folded zero point stay below 2^30. */
const lstmGate: KernelSource = {
  name: "ts_lstm_gate",
  needs: ["ts_requant", "ts_requant_small", "ts_saturate16"],
  portable: `TS_INL int32_t ts_lstm_gate(int32_t own, int32_t back, int hidden, const ts_gate *gate, int unit, int flags)
{
  int32_t p, q;
  own = (int32_t)((uint32_t)own + (uint32_t)gate->bias[unit]);
  back = (int32_t)((uint32_t)back + (uint32_t)gate->recurrent_bias[unit]);
  p = (flags & TS_SUM_30BIT) != 0 ? ts_requant_small(own, gate->mult, gate->shift) : ts_requant(own, gate->mult, gate->shift);
  q = hidden <= 32000 ? ts_requant_small(back, gate->recurrent_mult, gate->recurrent_shift) : ts_requant(back, gate->recurrent_mult, gate->recurrent_shift);
  return ts_saturate16(ts_saturate16(p) + ts_saturate16(q));
}
`,
};

/** Sums of one unit in all four gates. */
const lstmGates: KernelSource = {
  name: "ts_lstm_gates",
  needs: ["ts_dot_1x4", "ts_lstm_gate"],
  portable: `TS_INL void ts_lstm_gates(const int8_t *x, int inputs, int input_pitch, const int8_t *before, int hidden, int hidden_pitch, const ts_gate *gates, int unit, int32_t *out, int flags)
{
  const int w = unit * input_pitch, r = unit * hidden_pitch;
  int32_t own[4] = { 0, 0, 0, 0 }, back[4] = { 0, 0, 0, 0 };
  ts_dot_1x4(x, gates[0].weights + w, gates[1].weights + w, gates[2].weights + w, gates[3].weights + w, inputs, own);
  ts_dot_1x4(before, gates[0].recurrent + r, gates[1].recurrent + r, gates[2].recurrent + r, gates[3].recurrent + r, hidden, back);
  for (int g = 0; g < 4; g++)
    out[g] = ts_lstm_gate(own[g], back[g], hidden, &gates[g], unit, flags);
}
`,
};

/** From the gates of one unit to its cell state and to what it shows of it. */
const lstmUnit: KernelSource = {
  name: "ts_lstm_unit",
  needs: ["ts_sigmoid", "ts_saturate16", "ts_requant_small", "ts_place"],
  portable: `typedef struct ts_lstm_scales { int32_t cell_mult, cell_shift, cell_clip, forget_mult, forget_shift, input_mult, input_shift, hidden_mult, hidden_shift, hidden_zero; } ts_lstm_scales;
TS_INL int8_t ts_lstm_unit(const int32_t *gate, int8_t *at, const ts_lstm_scales *k)
{
  int32_t state, kept, added;
  int16_t cell;
  memcpy(&cell, at, sizeof cell);
  kept = ts_saturate16(ts_requant_small(ts_logistic16(3 * gate[0]) * cell, k->forget_mult, k->forget_shift));
  added = ts_saturate16(ts_requant_small(ts_logistic16(3 * gate[1]) * ts_tanh16(3 * gate[2]), k->input_mult, k->input_shift));
  state = ts_saturate16(kept + added);
  if (k->cell_clip > 0)
    state = state > k->cell_clip ? k->cell_clip : state < -k->cell_clip ? -k->cell_clip : state;
  cell = (int16_t)state;
  memcpy(at, &cell, sizeof cell);
  state *= k->cell_mult;
  if (k->cell_shift > 0)
    state = (state + (1 << (k->cell_shift - 1))) >> k->cell_shift;
  return ts_place(ts_requant_small(ts_tanh16(state) * ts_logistic16(3 * gate[3]), k->hidden_mult, k->hidden_shift), k->hidden_zero, -128, 127);
}
`,
};

/**
 * runLstm of interp/integer/lstm.ts for one sequence. The hidden state before a step is the row of output before it; before the first step it is the zero
 * point, which `scratch` holds, and behind it the cell state.
 */
const lstm: KernelSource = {
  name: "ts_lstm",
  needs: ["ts_lstm_gates", "ts_lstm_unit"],
  portable: `TS_INL void ts_lstm(const int8_t *x, int time, int inputs, int input_pitch, int hidden, int hidden_pitch, int hidden_zero, const ts_gate *gates, int32_t cell_mult, int cell_shift, int cell_clip, int32_t forget_mult, int forget_shift, int32_t input_mult, int input_shift, int32_t hidden_mult, int hidden_shift, int8_t *scratch, int8_t *y, int8_t *last_hidden, int16_t *last_cell, int flags)
{
  const ts_lstm_scales k = { cell_mult, cell_shift, cell_clip, forget_mult, forget_shift, input_mult, input_shift, hidden_mult, hidden_shift, hidden_zero };
  const int8_t *before = scratch;
  int8_t *cells = scratch + ((hidden + 15) & ~15);
  memset(scratch, hidden_zero, (size_t)hidden);
  memset(cells, 0, (size_t)hidden * sizeof(int16_t));
  for (int t = 0; t < time; t++, x += inputs, before = y, y += hidden) {
    for (int h = 0; h < hidden; h++) {
      int32_t gate[4];
      ts_lstm_gates(x, inputs, input_pitch, before, hidden, hidden_pitch, gates, h, gate, flags);
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

/** LSTM and its functions. */
export const LSTM_KERNELS: readonly KernelSource[] = [sigmoid, saturate16, lstmGate, lstmGates, lstmUnit, lstm];
