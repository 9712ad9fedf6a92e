import type { KernelSource } from "../kernel-source.ts";

/** What gcc 12 makes too much of, written as single instructions; other compilers take the intrinsics. All operands have 32 bits or more. */
const registers: KernelSource = {
  name: "ts_mve_registers",
  needs: [],
  portable: "",
  mve: `#if defined(__GNUC__) && !defined(__clang__)
/* Hides where a number comes from: it stays in a register and is not worked out anew. */
#define TS_MVE_OPAQUE(x) __asm__("" : "+r"(x))
/* Ends a step: what is loaded behind it is not loaded before it. */
#define TS_MVE_STEP(p, q, r, s) __asm__ volatile("" : "+r"(p), "+r"(q), "+r"(r), "+r"(s) : : "memory")
/* The same for sums: they are added up before it. */
#define TS_MVE_SUMS_2(a, b) __asm__ volatile("" : "+w"(a), "+w"(b) : : "memory")
#define TS_MVE_SUMS(a, b, c, d) __asm__ volatile("" : "+w"(a), "+w"(b), "+w"(c), "+w"(d) : : "memory")
/* Lanes 0 and 2; gcc takes sums into vectors through memory, and keeps lanes that nobody set. */
TS_INL int32x4_t ts_mve_even(int32_t s0, int32_t s2)
{
  int32x4_t v;
  __asm__("vmov %q0[2], %q0[0], %1, %2" : "=w"(v) : "r"(s0), "r"(s2));
  return v;
}
/* Lanes 1 and 3. */
TS_INL int32x4_t ts_mve_odd(int32x4_t v, int32_t s1, int32_t s3)
{
  __asm__("vmov %q0[3], %q0[1], %1, %2" : "+w"(v) : "r"(s1), "r"(s3));
  return v;
}
TS_INL int16x8_t ts_mve_to16(int32x4_t a, int32x4_t b)
{
  __asm__("vqmovnb.s32 %q0, %q0" : "+w"(a));
  return vqmovntq_s32(vreinterpretq_s16_s32(a), b);
}
TS_INL int16x8_t ts_mve_to8(int16x8_t a)
{
  __asm__("vqmovnb.s16 %q0, %q0" : "+w"(a));
  return a;
}
#else
#define TS_MVE_OPAQUE(x) (void)(x)
#define TS_MVE_STEP(p, q, r, s) (void)(p)
#define TS_MVE_SUMS_2(a, b) (void)(a)
#define TS_MVE_SUMS(a, b, c, d) (void)(a)
TS_INL int32x4_t ts_mve_even(int32_t s0, int32_t s2)
{
  return vsetq_lane_s32(s2, vsetq_lane_s32(s0, vdupq_n_s32(0), 0), 2);
}
TS_INL int32x4_t ts_mve_odd(int32x4_t v, int32_t s1, int32_t s3)
{
  return vsetq_lane_s32(s3, vsetq_lane_s32(s1, v, 1), 3);
}
/* a0 b0 a1 b1 a2 b2 a3 b3, saturated. */
TS_INL int16x8_t ts_mve_to16(int32x4_t a, int32x4_t b)
{
  return vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(a), a), b);
}
/* Saturated to 8 bits in the lower halves of the lanes. */
TS_INL int16x8_t ts_mve_to8(int16x8_t a)
{
  return vreinterpretq_s16_s8(vqmovnbq_s16(vreinterpretq_s8_s16(a), a));
}
#endif
`,
};

/** The zero point and the bounds. Sums are saturated to 16 bits first, which no bound of 8 bits notices. */
const narrow: KernelSource = {
  name: "ts_mve_narrow",
  needs: ["ts_mve_registers"],
  portable: "",
  mve: `TS_INL int16x8_t ts_mve_bound(int16x8_t q, int lo, int hi)
{
  if (lo > -128 || hi < 127)
    return vmaxq_s16(vminq_s16(q, vdupq_n_s16((int16_t)hi)), vdupq_n_s16((int16_t)lo));
  return ts_mve_to8(q);
}
TS_INL int16x8_t ts_mve_narrow(int32x4_t a, int32x4_t b, int zero, int lo, int hi)
{
  return ts_mve_bound(vqaddq_n_s16(ts_mve_to16(a, b), (int16_t)zero), lo, hi);
}
`,
};

/**
 * From four sums to the output's scale. VRSHL rounds halves up, but halves go away from zero: -1 is added to what comes from negative sums, in the same
 * instruction that multiplies. That must not be where nothing is shifted (a shift to the left by 32 gives 0), and need not be where all that is negative
 * ends at the lower bound (TS_RELU). The sign of the sum does instead of the sign of the product: the product of a negative sum is negative or 0, and
 * (0 - 1 + half) >> shift is 0.
 */
const scale: KernelSource = {
  name: "ts_mve_scale",
  needs: ["ts_requant", "ts_mve_registers"],
  portable: "",
  mve: `/* One output channel, worked out once for all pixels. */
typedef struct ts_mve_channel { int32_t bias, mult, left, right, sign; } ts_mve_channel;
TS_INL ts_mve_channel ts_mve_prepare(int32_t bias, int32_t mult, int shift)
{
  ts_mve_channel c = { bias, mult, shift < 0 ? -shift : 0, shift > 0 ? -shift : 0, shift > 0 ? -31 : 32 };
  TS_MVE_OPAQUE(c.left);
  TS_MVE_OPAQUE(c.right);
  TS_MVE_OPAQUE(c.sign);
  return c;
}
#if TS_ROUNDING == 1
TS_INL int32x4_t ts_mve_each(int32x4_t s, int32x4_t mult, int32x4_t shift)
{
  int32_t x[4], m[4], n[4];
  vst1q_s32(x, s);
  vst1q_s32(m, mult);
  vst1q_s32(n, shift);
  for (int i = 0; i < 4; i++)
    x[i] = ts_requant(x[i], m[i], n[i]);
  return vld1q_s32(x);
}
#endif
/* Sums of one channel without their bias. */
TS_INL int32x4_t ts_mve_scale(int32x4_t s, const ts_mve_channel *c, int flags)
{
  s = vaddq_n_s32(s, c->bias);
#if TS_ROUNDING == 1
  (void)flags;
  return ts_mve_each(s, vdupq_n_s32(c->mult), vdupq_n_s32(-c->right - c->left));
#else
  if ((flags & TS_SUM_30BIT) == 0)
    s = vshlq_r_s32(s, c->left);
  if ((flags & TS_RELU) != 0)
    s = vqrdmulhq_n_s32(s, c->mult);
  else if ((flags & TS_SHIFT_MID) != 0)
    s = vqrdmlahq_n_s32(vshrq_n_s32(s, 31), s, c->mult);
  else
    s = vqrdmlahq_n_s32(vshlq_r_s32(s, c->sign), s, c->mult);
  return vrshlq_n_s32(s, c->right);
#endif
}
/* Sums of four channels. */
TS_INL int32x4_t ts_mve_scale_lanes(int32x4_t s, int32x4_t mult, int32x4_t shift, int flags)
{
#if TS_ROUNDING == 1
  (void)flags;
  return ts_mve_each(s, mult, shift);
#else
  int32x4_t right = vnegq_s32(shift);
  if ((flags & TS_SUM_30BIT) == 0) {
    s = vshlq_s32(s, vmaxq_s32(right, vdupq_n_s32(0)));
    right = vminq_s32(right, vdupq_n_s32(0));
  }
  s = vqrdmulhq_s32(s, mult);
  if ((flags & TS_RELU) == 0)
    s = vaddq_s32(s, vshrq_n_s32((flags & TS_SHIFT_MID) != 0 ? s : vandq_s32(s, right), 31));
  return vrshlq_s32(s, right);
#endif
}
/* Any numbers by one literal multiplier. */
TS_INL int32x4_t ts_mve_requant(int32x4_t x, int32_t mult, int shift)
{
#if TS_ROUNDING == 1
  return ts_mve_each(x, vdupq_n_s32(mult), vdupq_n_s32(shift));
#else
  if (shift < 0)
    x = vshlq_r_s32(x, -shift);
  if (shift <= 0)
    return vqrdmulhq_n_s32(x, mult);
  return vrshlq_n_s32(vqrdmlahq_n_s32(vshrq_n_s32(x, 31), x, mult), -shift);
#endif
}
`,
};

/** Bytes in blocks of 16, and what is left of them under a predicate: nothing outside is read or written. */
const bytes: KernelSource = {
  name: "ts_mve_bytes",
  needs: [],
  portable: "",
  mve: `TS_INL int8x16_t ts_mve_load(const int8_t *x, int left)
{
  return left >= 16 ? vldrbq_s8(x) : vldrbq_z_s8(x, vctp8q((uint32_t)left));
}
TS_INL void ts_mve_store(int8_t *y, int8x16_t v, int left)
{
  if (left >= 16)
    vstrbq_s8(y, v);
  else
    vstrbq_p_s8(y, v, vctp8q((uint32_t)left));
}
TS_INL void ts_mve_fill(int8_t *y, int value, int count)
{
  const int8x16_t v = vdupq_n_s8((int8_t)value);
  int i = 0;
  for (; i + 16 <= count; i += 16)
    vstrbq_s8(y + i, v);
  if (i < count)
    ts_mve_store(y + i, v, count - i);
}
TS_INL void ts_mve_copy(int8_t *y, const int8_t *x, int count)
{
  int i = 0;
  if (count == 1 || count == 2 || count == 4) {
    memcpy(y, x, (size_t)count);
    return;
  }
  for (; i + 16 <= count; i += 16)
    vstrbq_s8(y + i, vldrbq_s8(x + i));
  if (i < count)
    ts_mve_store(y + i, ts_mve_load(x + i, count - i), count - i);
}
`,
};

/** What the kernels for Helium share. They have no portable form: nothing else calls them. */
export const MVE_BASE: readonly KernelSource[] = [registers, narrow, scale, bytes];
