import type { KernelSource } from "../kernel-source.ts";

/** floor((a * b + 2^30) / 2^31); not for both at -2^31, which no caller has. */
const high: KernelSource = {
  name: "ts_high",
  needs: [],
  portable: `TS_INL int32_t ts_high(int32_t a, int32_t b)
{
  return (int32_t)(((int64_t)a * b + 0x40000000) >> 31);
}
`,
};

/**
 * exp(a) in Q31 for a <= 0 with 5 integer bits: expOfNegative of interp/integer/fixed-point.ts. All shifted numbers are not negative, and nothing that is
 * multiplied by a power of two leaves int32: the rest of a quarter is above -2^24.
 */
const expNegative: KernelSource = {
  name: "ts_exp_negative",
  needs: ["ts_high"],
  portable: `TS_FAR int32_t ts_exp_negative(int32_t a)
{
  static const int32_t powers[7] = { 1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242 };
  const int32_t rest = (a & 0xffffff) - 0x1000000, x = rest * 32 + 0x10000000;
  const uint32_t left = (uint32_t)rest - (uint32_t)a;
  int32_t x2, sum, result;
  if (a == 0)
    return 0x7fffffff;
  x2 = ts_high(x, x);
  sum = ts_high(((ts_high(x2, x2) + 2) >> 2) + ts_high(x2, x), 715827883) + x2;
  result = 1895147668 + ts_high(1895147668, x + ((sum + 1) >> 1));
  for (int e = 0; e < 7; e++) {
    if (((left >> (24 + e)) & 1u) != 0)
      result = ts_high(result, powers[e]);
  }
  return result;
}
`,
};

/** 1 / (1 + a) in Q31 for a in [0, 1) in Q31: inverseOfOnePlus. The iteration stays below 1.1, so only the last doubling can saturate. */
const inverseOfOnePlus: KernelSource = {
  name: "ts_inverse_of_one_plus",
  needs: ["ts_high"],
  portable: `TS_INL int32_t ts_inverse_of_one_plus(int32_t a)
{
  const int32_t half = (int32_t)(((uint32_t)a + 0x80000000u) >> 1);
  int32_t x = 1515870810 + ts_high(half, -1010580540);
  for (int i = 0; i < 3; i++)
    x += ts_high(x, 0x20000000 - ts_high(half, x)) * 4;
  return x >= 0x40000000 ? 0x7fffffff : x * 2;
}
`,
};

/** Functions of 32-bit fixed point. */
export const FIXED_POINT_KERNELS: readonly KernelSource[] = [high, expNegative, inverseOfOnePlus];
