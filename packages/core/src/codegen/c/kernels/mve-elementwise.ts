import type { KernelSource, SpecialForms } from "../kernel-source.ts";

/** Eight integers of an operand as numbers of 16 bits, whatever step it moves by. What lies behind the last of them is not read. */
const operand: KernelSource = {
  name: "ts_mve_operand",
  needs: [],
  portable: "",
  mve: `TS_INL int16x8_t ts_mve_operand(const int8_t *x, int step, int left)
{
  const mve_pred16_t here = vctp16q((uint32_t)left);
  if (step == 0)
    return vdupq_n_s16(*x);
  if (step == 1)
    return left >= 8 ? vldrbq_s16(x) : vldrbq_z_s16(x, here);
  if (step > 0 && step < 9000) {
    const uint16x8_t at = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)step);
    return left >= 8 ? vldrbq_gather_offset_s16(x, at) : vldrbq_gather_offset_z_s16(x, at, here);
  }
  {
    int16_t each[8];
    for (int i = 0; i < 8; i++)
      each[i] = x[i < left ? i * step : 0];
    return vld1q_s16(each);
  }
}
TS_INL void ts_mve_put(int8_t *y, int16x8_t q, int left)
{
  if (left >= 8)
    vstrbq_s16(y, q);
  else
    vstrbq_p_s16(y, q, vctp16q((uint32_t)left));
}
/* Eight at a time and what is left of them; y may be an operand. */
#define TS_MVE_EIGHTS(count, body) { int i = 0; for (; i + 8 <= count; i += 8) body(8) if (i < count) body(count - i) }
`,
};

const header = "TS_INL void";
const sides = "const int8_t *a, int a_step, const int8_t *b, int b_step, int count";
const bounds = "int zero, int lo, int hi, int8_t *y";

/** Even and odd lanes go through 32 bits by themselves and meet again in their places. */
const scaled = `TS_INL int16x8_t ts_mve_place(int32x4_t even, int32x4_t odd, int32_t mult, int shift, int zero, int lo, int hi)
{
  return ts_mve_narrow(ts_mve_requant(even, mult, shift), ts_mve_requant(odd, mult, shift), zero, lo, hi);
}
`;

const place: KernelSource = { name: "ts_mve_place", needs: ["ts_mve_scale", "ts_mve_narrow"], portable: "", mve: scaled };

const addend: KernelSource = {
  name: "ts_mve_addend",
  needs: ["ts_mve_scale"],
  portable: "",
  mve: `TS_INL int32x4_t ts_mve_addend(int32x4_t x, int left, int32_t mult, int shift)
{
  /* Half of an even number, without a multiplication. */
  if (left > 0 && mult == 0x40000000 && shift == 0)
    return left == 1 ? x : vshlq_r_s32(x, left - 1);
  return ts_mve_requant(left == 0 ? x : vshlq_r_s32(x, left), mult, shift);
}
`,
};

/** Helpers of the elementwise kernels. */
export const MVE_ELEMENTWISE_HELPERS: readonly KernelSource[] = [operand, place, addend];

function extremum(name: string, instruction: string): SpecialForms {
  return {
    [name]: {
      needs: ["ts_mve_operand"],
      source: `#define ${name.toUpperCase()}_8(left) { ts_mve_put(y + i, ${instruction}(ts_mve_operand(a + i * a_step, a_step, left), ts_mve_operand(b + i * b_step, b_step, left)), left); }
${header} ${name}(${sides}, int8_t *y)
{
  TS_MVE_EIGHTS(count, ${name.toUpperCase()}_8)
}
`,
    },
  };
}

function table(name: string, type: string, index: string): SpecialForms {
  return {
    [name]: {
      needs: ["ts_mve_bytes"],
      source: `#define ${name.toUpperCase()}_16(left) { const uint8x16_t v = vreinterpretq_u8_s8(ts_mve_load((const int8_t *)x + i, left)); ts_mve_store(y + i, vldrbq_gather_offset_s8(table, ${index}), left); }
${header} ${name}(const ${type} *x, int count, const int8_t *table, int8_t *y)
{
  int i = 0;
  for (; i + 16 <= count; i += 16)
    ${name.toUpperCase()}_16(16)
  if (i < count)
    ${name.toUpperCase()}_16(count - i)
}
`,
    },
  };
}

/** Kernels that make each output from the integers at one place. */
export const MVE_ELEMENTWISE: SpecialForms = {
  ts_add: {
    needs: ["ts_mve_operand", "ts_mve_addend", "ts_mve_place"],
    source: String.raw`#define TS_ADD_4(half, p, q) (subtract ? vsubq_s32(TS_ADD_SIDE(half, p, a), TS_ADD_SIDE(half, q, b)) : vaddq_s32(TS_ADD_SIDE(half, p, a), TS_ADD_SIDE(half, q, b)))
#define TS_ADD_SIDE(half, p, side) ts_mve_addend(half(p), left_shift, side##_mult, side##_shift)
#define TS_ADD_8(left) { \
  const int16x8_t p = vsubq_n_s16(ts_mve_operand(a + i * a_step, a_step, left), (int16_t)a_zero); \
  const int16x8_t q = vsubq_n_s16(ts_mve_operand(b + i * b_step, b_step, left), (int16_t)b_zero); \
  ts_mve_put(y + i, ts_mve_place(TS_ADD_4(vmovlbq_s16, p, q), TS_ADD_4(vmovltq_s16, p, q), mult, shift, zero, lo, hi), left); }
${header} ts_add(${sides}, int subtract, int left_shift, int a_zero, int32_t a_mult, int a_shift, int b_zero, int32_t b_mult, int b_shift, int32_t mult, int shift, ${bounds})
{
  TS_MVE_EIGHTS(count, TS_ADD_8)
}
`,
  },
  ts_mul: {
    needs: ["ts_mve_operand", "ts_mve_place"],
    source: String.raw`#define TS_MUL_8(left) { \
  const int16x8_t p = vsubq_n_s16(ts_mve_operand(a + i * a_step, a_step, left), (int16_t)a_zero); \
  const int16x8_t q = vsubq_n_s16(ts_mve_operand(b + i * b_step, b_step, left), (int16_t)b_zero); \
  ts_mve_put(y + i, ts_mve_place(vmullbq_int_s16(p, q), vmulltq_int_s16(p, q), mult, shift, zero, lo, hi), left); }
${header} ts_mul(${sides}, int a_zero, int b_zero, int32_t mult, int shift, ${bounds})
{
  TS_MVE_EIGHTS(count, TS_MUL_8)
}
`,
  },
  ts_prelu: {
    needs: ["ts_mve_operand", "ts_mve_place"],
    source: String.raw`#define TS_PRELU_8(left) { \
  const int16x8_t x = vsubq_n_s16(ts_mve_operand(a + i * a_step, a_step, left), (int16_t)a_zero); \
  const int16x8_t s = vsubq_n_s16(ts_mve_operand(b + i * b_step, b_step, left), (int16_t)b_zero); \
  const int16x8_t p = ts_mve_place(vmovlbq_s16(x), vmovltq_s16(x), positive_mult, positive_shift, zero, lo, hi); \
  const int16x8_t n = ts_mve_place(vmullbq_int_s16(x, s), vmulltq_int_s16(x, s), negative_mult, negative_shift, zero, lo, hi); \
  ts_mve_put(y + i, vpselq_s16(p, n, vcmpgeq_n_s16(x, 0)), left); }
${header} ts_prelu(${sides}, int a_zero, int b_zero, int32_t positive_mult, int positive_shift, int32_t negative_mult, int negative_shift, ${bounds})
{
  TS_MVE_EIGHTS(count, TS_PRELU_8)
}
`,
  },
  ...extremum("ts_maximum", "vmaxq_s16"),
  ...extremum("ts_minimum", "vminq_s16"),
  ...table("ts_table", "int8_t", "veorq_u8(v, vdupq_n_u8(128))"),
  ...table("ts_table_u8", "uint8_t", "v"),
};
