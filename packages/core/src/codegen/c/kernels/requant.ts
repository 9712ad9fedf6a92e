import type { KernelSource } from "../kernel-source.ts";

/**
 * sum * mult * 2^(-31 - shift), for any sum and shifts from -30 to 31: multiplyTwice or multiplyOnce of interp/integer/multiplier.ts. The high half of
 * the product never reaches the ends of int32 because mult is below 2^31, so that the tie fix and the last 1 cannot overflow.
 */
const requant: KernelSource = {
  name: "ts_requant",
  needs: [],
  portable: `TS_INL int32_t ts_requant(int32_t sum, int32_t mult, int shift)
{
#if TS_ROUNDING == 1
  return (int32_t)(((int64_t)sum * mult + ((int64_t)1 << (30 + shift))) >> (31 + shift));
#else
  int32_t high;
  if (shift < 0)
    sum = (int32_t)((uint32_t)sum << -shift);
  high = (int32_t)(((int64_t)sum * mult + 0x40000000) >> 31);
  if (shift <= 0)
    return high;
  high += high >> 31;
  return ((high >> (shift - 1)) + 1) >> 1;
#endif
}
`,
};

/**
 * sum * mult / 2^31 rounded half up, |sum| < 2^30: the doubled sum puts the high half of the product into one register. Cores that multiply 32 by 32 bits to
 * 32 only take the product in four parts, which is less than a call of the compiler's 64-bit multiplication.
 */
const high30: KernelSource = {
  name: "ts_high30",
  needs: [],
  portable: `TS_INL int32_t ts_high30(int32_t sum, int32_t mult)
{
#ifdef TS_FEW_REGISTERS
  const int32_t ah = (sum * 2) >> 16, bh = mult >> 16;
  const uint32_t al = (uint32_t)(sum * 2) & 0xffffu, bl = (uint32_t)mult & 0xffffu;
  const int32_t t = ah * (int32_t)bl + (int32_t)((al * bl) >> 16);
  const uint32_t u = ((uint32_t)t & 0xffffu) + al * (uint32_t)bh;
  return ah * bh + (t >> 16) + (int32_t)((u + 0x8000u) >> 16);
#else
  const int64_t product = (int64_t)(sum * 2) * mult;
  return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
}
`,
};

/** The same as ts_requant for |sum| < 2^30 and shift >= 0, in fewer instructions. */
const requant30: KernelSource = {
  name: "ts_requant30",
  needs: ["ts_high30"],
  portable: `TS_INL int32_t ts_requant30(int32_t sum, int32_t mult, int shift)
{
#if TS_ROUNDING == 1
  const int64_t product = (int64_t)(sum * 2) * mult;
  int32_t high = (int32_t)(product >> 32);
  if (shift == 0)
    high += (int32_t)((uint32_t)product >> 31);
#else
  int32_t high = ts_high30(sum, mult);
  if (shift > 0)
    high += high >> 31;
#endif
  return (high + (int32_t)((1u << shift) >> 1)) >> shift;
}
`,
};

/** For literal multipliers of numbers below 2^30: the short form where the shift is to the right. */
const requantSmall: KernelSource = {
  name: "ts_requant_small",
  needs: ["ts_requant", "ts_requant30"],
  portable: `TS_INL int32_t ts_requant_small(int32_t x, int32_t mult, int shift)
{
  return shift < 0 ? ts_requant(x, mult, shift) : ts_requant30(x, mult, shift);
}
`,
};

/** x + zero within lo and hi, without overflow whatever x is. */
const place: KernelSource = {
  name: "ts_place",
  needs: [],
  portable: `TS_INL int8_t ts_place(int32_t x, int zero, int lo, int hi)
{
  return (int8_t)(x < lo - zero ? lo : x > hi - zero ? hi : x + zero);
}
`,
};

/**
 * From a sum to an output; what the flags promise saves instructions. TS_SUM_30BIT: the doubled sum puts the high half of the product into one register,
 * and adding the zero point cannot overflow. TS_RELU: negative results are cut off, so their ties need no care. TS_SHIFT_MID: half of the last bit and the
 * zero point are one number, the same for a whole channel.
 */
const finish: KernelSource = {
  name: "ts_finish",
  needs: ["ts_requant", "ts_requant30", "ts_high30", "ts_place"],
  portable: `TS_INL int8_t ts_finish(int32_t sum, int32_t mult, int shift, int zero, int lo, int hi, int flags)
{
  int32_t q;
  if ((flags & TS_SUM_30BIT) == 0)
    return ts_place(ts_requant(sum, mult, shift), zero, lo, hi);
  if ((flags & TS_SHIFT_MID) == 0)
    q = ts_requant30(sum, mult, shift) + zero;
  else {
    const int32_t addend = (1 << (shift - 1)) + zero * (1 << shift);
#if TS_ROUNDING == 1
    q = (int32_t)(((int64_t)(sum * 2) * mult) >> 32);
#else
    q = ts_high30(sum, mult);
    if ((flags & TS_RELU) == 0)
      q += q >> 31;
#endif
    q = (q + addend) >> shift;
  }
  return (int8_t)(q < lo ? lo : q > hi ? hi : q);
}
`,
};

/** From sums of 32 bits to outputs of 8. */
export const REQUANT_KERNELS: readonly KernelSource[] = [requant, high30, requant30, requantSmall, place, finish];
