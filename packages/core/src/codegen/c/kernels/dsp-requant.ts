/** ts_requant30 in one instruction and the shift. */
export const DSP_REQUANT30 = {
  needs: [],
  source: `TS_INL int32_t ts_requant30(int32_t sum, int32_t mult, int shift)
{
  int32_t high;
#if TS_ROUNDING == 1
  if (shift > 0)
    __asm__("smmul %0, %1, %2" : "=r"(high) : "r"(sum * 2), "r"(mult));
  else
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(sum * 2), "r"(mult));
#else
  __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(sum * 2), "r"(mult));
  if (shift > 0)
    high += high >> 31;
#endif
  return (high + (int32_t)((1u << shift) >> 1)) >> shift;
}
`,
};

/** ts_finish with rounding and zero point in the addend, see dsp-dot3.ts. */
export const DSP_FINISH = {
  needs: [],
  source: `TS_INL int8_t ts_finish(int32_t sum, int32_t mult, int shift, int zero, int lo, int hi, int flags)
{
  int32_t q;
  if ((flags & TS_SUM_30BIT) == 0)
    return ts_place(ts_requant(sum, mult, shift), zero, lo, hi);
  if ((flags & TS_SHIFT_MID) == 0)
    q = ts_requant30(sum, mult, shift) + zero;
  else {
    int32_t addend = (int32_t)((uint32_t)(2 * zero + 1) << shift) >> 1;
#if TS_ROUNDING == 1
    __asm__("smmla %0, %1, %2, %3" : "=r"(q) : "r"(sum * 2), "r"(mult), "r"(addend));
#else
    if ((flags & TS_RELU) == 0)
      addend += sum >> 31;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(q) : "r"(sum * 2), "r"(mult), "r"(addend));
#endif
    q >>= shift;
  }
  if (lo == -128 && hi == 127)
    return (int8_t)__ssat(q, 8);
  return (int8_t)(q < lo ? lo : q > hi ? hi : q);
}
`,
};

/** ts_place with saturation instead of comparisons. */
export const DSP_PLACE = {
  needs: [],
  source: `TS_INL int8_t ts_place(int32_t x, int zero, int lo, int hi)
{
  const int32_t q = __qadd(x, zero);
  if (lo == -128 && hi == 127)
    return (int8_t)__ssat(q, 8);
  return (int8_t)(q < lo ? lo : q > hi ? hi : q);
}
`,
};
