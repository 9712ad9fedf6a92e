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

/** The same for |sum| < 2^30 and shift >= 0, in fewer instructions: the doubled sum puts the high half of the product into one register. */
const requant30: KernelSource = {
  name: "ts_requant30",
  needs: [],
  portable: `TS_INL int32_t ts_requant30(int32_t sum, int32_t mult, int shift)
{
  const int64_t product = (int64_t)(sum * 2) * mult;
  int32_t high = (int32_t)(product >> 32);
#if TS_ROUNDING == 1
  if (shift == 0)
    high += (int32_t)((uint32_t)product >> 31);
#else
  high += (int32_t)((uint32_t)product >> 31);
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
  needs: ["ts_requant", "ts_requant30", "ts_place"],
  portable: `TS_INL int8_t ts_finish(int32_t sum, int32_t mult, int shift, int zero, int lo, int hi, int flags)
{
  int32_t q;
  if ((flags & TS_SUM_30BIT) == 0)
    return ts_place(ts_requant(sum, mult, shift), zero, lo, hi);
  if ((flags & TS_SHIFT_MID) == 0)
    q = ts_requant30(sum, mult, shift) + zero;
  else {
    const int64_t product = (int64_t)(sum * 2) * mult;
    const int32_t addend = (1 << (shift - 1)) + zero * (1 << shift);
    q = (int32_t)(product >> 32);
#if TS_ROUNDING == 2
    q += (int32_t)((uint32_t)product >> 31);
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
export const REQUANT_KERNELS: readonly KernelSource[] = [requant, requant30, requantSmall, place, finish];
