import type { KernelSource } from "../kernel-source.ts";

/** x * 2^bits within int32. */
const saturatingLeft: KernelSource = {
  name: "ts_saturating_left",
  needs: [],
  portable: `TS_INL int32_t ts_saturating_left(int32_t x, int bits)
{
  const int32_t most = 0x7fffffff >> bits;
  return x > most ? 0x7fffffff : x < -most - 1 ? -0x7fffffff - 1 : x * (1 << bits);
}
`,
};

/** 1 / sqrt(x) as a multiplier: inverseSqrt of interp/integer/fixed-point.ts. *down: shift to the right. */
const inverseSqrt: KernelSource = {
  name: "ts_inverse_sqrt",
  needs: ["ts_high", "ts_saturating_left"],
  portable: `TS_INL int32_t ts_inverse_sqrt(int32_t x, int *down)
{
  int32_t half, y = 0x10000000;
  int by = 11;
  if (x <= 1) {
    *down = 0;
    return 0x7fffffff;
  }
  for (; x >= 0x20000000; by++)
    x >>= 2;
  for (; x < 0x8000000; by--)
    x *= 4;
  half = ((x >> 1) + 1) >> 1;
  for (int i = 0; i < 5; i++) {
    const int32_t cube = ts_saturating_left(ts_high(ts_high(y, y), y), 6);
    y = ts_saturating_left(ts_high(0x18000000, y) - ts_high(half, cube), 3);
  }
  y = ts_high(y, 1518500250);
  *down = by > 0 ? by : 0;
  return by < 0 ? (int32_t)((uint32_t)y << -by) : y;
}
`,
};

/** x / |x| of int8 in 1/128: runL2Normalization of interp/integer/softmax.ts. */
const l2Normalization: KernelSource = {
  name: "ts_l2_normalization",
  needs: ["ts_requant", "ts_place", "ts_inverse_sqrt"],
  portable: `TS_INL void ts_l2_normalization(const int8_t *x, int outer, int depth, int inner, int input_zero, int8_t *y)
{
  for (int i = 0; i < outer * inner; i++) {
    const int at = i / inner * depth * inner + i % inner, end = at + depth * inner;
    uint32_t sum = 0;
    int32_t mult;
    int down;
    for (int j = at; j < end; j += inner)
      sum += (uint32_t)((x[j] - input_zero) * (x[j] - input_zero));
    mult = ts_inverse_sqrt((int32_t)sum, &down);
    for (int j = at; j < end; j += inner)
      y[j] = ts_place(ts_requant(x[j] - input_zero, mult, down - 7), 0, -128, 127);
  }
}
`,
};

/** Vectors brought to a length of one. */
export const L2_NORMALIZATION_KERNELS: readonly KernelSource[] = [saturatingLeft, inverseSqrt, l2Normalization];
