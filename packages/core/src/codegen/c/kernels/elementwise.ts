import type { KernelSource } from "../kernel-source.ts";

/** An operand of Add at the scale of the sum. The largest operand has the multiplier 1/2 exactly, which takes no multiplication. */
const addend: KernelSource = {
  name: "ts_addend",
  needs: ["ts_requant_small"],
  portable: `TS_INL int32_t ts_addend(int q, int zero, int left, int32_t mult, int shift)
{
  const int32_t x = (q - zero) * (1 << left);
  if (left > 0 && mult == 0x40000000 && shift == 0)
    return x / 2;
  return ts_requant_small(x, mult, shift);
}
`,
};

const add: KernelSource = {
  name: "ts_add",
  needs: ["ts_addend", "ts_requant_small", "ts_place"],
  portable: `TS_INL void ts_add(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int subtract, int left, int a_zero, int32_t a_mult, int a_shift, int b_zero, int32_t b_mult, int b_shift, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)
{
  for (int i = 0; i < count; i++, a += a_step, b += b_step) {
    const int32_t p = ts_addend(*a, a_zero, left, a_mult, a_shift), q = ts_addend(*b, b_zero, left, b_mult, b_shift);
    y[i] = ts_place(ts_requant_small(subtract ? p - q : p + q, mult, shift), zero, lo, hi);
  }
}
`,
};

const mul: KernelSource = {
  name: "ts_mul",
  needs: ["ts_requant_small", "ts_place"],
  portable: `TS_INL void ts_mul(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int a_zero, int b_zero, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)
{
  for (int i = 0; i < count; i++, a += a_step, b += b_step)
    y[i] = ts_place(ts_requant_small((*a - a_zero) * (*b - b_zero), mult, shift), zero, lo, hi);
}
`,
};

const prelu: KernelSource = {
  name: "ts_prelu",
  needs: ["ts_requant_small", "ts_place"],
  portable: `TS_INL void ts_prelu(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int a_zero, int b_zero, int32_t positive_mult, int positive_shift, int32_t negative_mult, int negative_shift, int zero, int lo, int hi, int8_t *y)
{
  for (int i = 0; i < count; i++, a += a_step, b += b_step) {
    const int x = *a - a_zero;
    const int32_t q = x >= 0 ? ts_requant_small(x, positive_mult, positive_shift) : ts_requant_small(x * (*b - b_zero), negative_mult, negative_shift);
    y[i] = ts_place(q, zero, lo, hi);
  }
}
`,
};

function extremum(name: "ts_maximum" | "ts_minimum", than: ">" | "<"): KernelSource {
  return {
    name,
    needs: [],
    portable: `TS_INL void ${name}(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int8_t *y)
{
  for (int i = 0; i < count; i++, a += a_step, b += b_step)
    y[i] = *a ${than} *b ? *a : *b;
}
`,
  };
}

const table: KernelSource = {
  name: "ts_table",
  needs: [],
  portable: `TS_INL void ts_table(const int8_t *x, int count, const int8_t *table, int8_t *y)
{
  for (int i = 0; i < count; i++)
    y[i] = table[x[i] + 128];
}
`,
};

const tableU8: KernelSource = {
  name: "ts_table_u8",
  needs: [],
  portable: `TS_INL void ts_table_u8(const uint8_t *x, int count, const int8_t *table, int8_t *y)
{
  for (int i = 0; i < count; i++)
    y[i] = table[x[i]];
}
`,
};

/** Kernels that make each output from the integers at one place. Outputs may be written over operands. */
export const ELEMENTWISE_KERNELS: readonly KernelSource[] = [
  addend,
  add,
  mul,
  prelu,
  extremum("ts_maximum", ">"),
  extremum("ts_minimum", "<"),
  table,
  tableU8,
];
