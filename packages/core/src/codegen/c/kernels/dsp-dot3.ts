import type { KernelSource } from "../kernel-source.ts";

/**
 * The inner loop of products of matrices on Cortex-M4 and M7, by hand, because compilers neither pair the loads nor keep its 14 registers.
 *
 * Three pixels of activations lie as pairs of 16 bits: for each word of four numbers the even ones of the three pixels, then the odd ones, which is how
 * SXTB16 splits a word of weights. So one LDM of three words, split weights of two outputs and six SMLAD make twelve products, and weights need no order
 * of their own. Rounding and zero point go into the addend of SMMLAR: ((2 * zero + 1) << shift) >> 1. The doubled sum makes its high half the
 * rounding doubling multiplication. A negative sum moves a tie away from zero by one less; the sign of the sum serves for the sign of the product, because
 * they differ only where the product is 0, and there one less is still rounded to 0.
 *
 * `act` words: 6 * words. Outputs: an even number, y to y_end; pixels 1 and 2 go to y + d1 and y + d2. Needs |sum| < 2^30, shifts of 1 to 22, outputs
 * clamped to -128 and 127.
 */
const dot3: KernelSource = {
  name: "ts_dot3",
  needs: [],
  portable: "",
  dsp: String.raw`typedef struct ts_dot3 {
  const int32_t *act;
  int32_t words;
  const int32_t *bias, *mult;
  const int8_t *shift;
  int32_t addend;
  int8_t *y;
  int32_t d1, d2;
  const int8_t *y_end, *w;
  int32_t pitch;
} ts_dot3;

#if TS_ROUNDING == 1
#define TS_HIGH "smmla "
#else
#define TS_HIGH "smmlar "
#endif
/* r0 weights, r1 activations, r2 to r4 sums of the first output, r5 to r7 of the second. Words of weights: rows one behind the other (each step has
 * TS_ROWS_BYTES of code) or in turn from the two rows (TS_PAIRS_BYTES); to the next two rows. */
#define TS_ROWS_LOAD "ldr lr, [sp, #44]\n\tldr r12, [r0, lr]\n\tldr r11, [r0], #4\n\t"
#define TS_ROWS_NEXT "ldr r4, [sp, #44]\n\tadd r0, r0, r4\n\t"
#define TS_ROWS_BYTES "84"
#define TS_PAIRS_LOAD "ldrd r11, r12, [r0], #8\n\t"
#define TS_PAIRS_NEXT
#define TS_PAIRS_BYTES "76"
#define TS_DOT3_WORD(LOAD) \
  LOAD "ldm r1!, {r8, r9, r10}\n\t" \
  "sxtb16 lr, r11\n\tsmlad r2, r8, lr, r2\n\tsmlad r3, r9, lr, r3\n\tsmlad r4, r10, lr, r4\n\t" \
  "sxtb16 lr, r12\n\tsmlad r5, r8, lr, r5\n\tsmlad r6, r9, lr, r6\n\tsmlad r7, r10, lr, r7\n\t" \
  "ldm r1!, {r8, r9, r10}\n\t" \
  "sxtb16 r11, r11, ror #8\n\tsmlad r2, r8, r11, r2\n\tsmlad r3, r9, r11, r3\n\tsmlad r4, r10, r11, r4\n\t" \
  "sxtb16 r12, r12, ror #8\n\tsmlad r5, r8, r12, r5\n\tsmlad r6, r9, r12, r6\n\tsmlad r7, r10, r12, r7\n\t"
/* Sum a, multiplier m, shift s, addend t; u is free. */
#define TS_PUT_RELU(a, m, s, t, u) \
  "lsl " a ", " a ", #1\n\t" TS_HIGH a ", " a ", " m ", " t "\n\tasr " a ", " a ", " s "\n\tssat " a ", #8, " a "\n\t"
#if TS_ROUNDING == 1
#define TS_PUT_ANY TS_PUT_RELU
#else
#define TS_PUT_ANY(a, m, s, t, u) \
  "add " u ", " t ", " a ", asr #31\n\tlsl " a ", " a ", #1\n\t" TS_HIGH a ", " a ", " m ", " u "\n\tasr " a ", " a ", " s "\n\tssat " a ", #8, " a "\n\t"
#endif
/* An address relative to the counter is right only where the assembler knows the alignment. The stack holds the struct, with the place to enter the loop at for "words" and the end of the activations for "w". */
#define TS_DOT3(LOAD, NEXT, BYTES, PUT) \
  "push {r4-r11, lr}\n\tsub sp, sp, #52\n\tldm r0, {r1-r12}\n\tstm sp, {r1-r12}\n\t" \
  "mov r0, r11\n\tadd r11, r2, r2, lsl #1\n\tadd r11, r1, r11, lsl #3\n\tstr r11, [sp, #40]\n\t" \
  "rsb r2, r2, #0\n\tand r2, r2, #3\n\tmov r3, #" BYTES "\n\tmul r2, r2, r3\n\t.p2align 2\n\tadr.w r3, 2f\n\tadd r2, r2, r3\n\torr r2, r2, #1\n\tstr r2, [sp, #4]\n\t" \
  "1:\n\tldr r8, [sp, #8]\n\tldm r8!, {r2, r5}\n\tstr r8, [sp, #8]\n\t" \
  "mov r3, r2\n\tmov r4, r2\n\tmov r6, r5\n\tmov r7, r5\n\tldr r1, [sp]\n\tldr pc, [sp, #4]\n\t" \
  "2:\n\t" TS_DOT3_WORD(LOAD) TS_DOT3_WORD(LOAD) TS_DOT3_WORD(LOAD) TS_DOT3_WORD(LOAD) \
  "ldr lr, [sp, #40]\n\tcmp r1, lr\n\tbne 2b\n\t" \
  "ldrd r8, lr, [sp, #12]\n\tldm r8!, {r9, r10}\n\tldrsb r11, [lr], #1\n\tldrsb r12, [lr], #1\n\tstrd r8, lr, [sp, #12]\n\t" \
  "ldr r8, [sp, #20]\n\tlsl lr, r8, r11\n\tasr lr, lr, #1\n\tlsl r8, r8, r12\n\tasr r8, r8, #1\n\t" \
  PUT("r2", "r9", "r11", "lr", "r1") PUT("r3", "r9", "r11", "lr", "r1") PUT("r4", "r9", "r11", "lr", "r1") \
  "ldr r1, [sp, #24]\n\tldrd r9, r11, [sp, #28]\n\tstrb r3, [r1, r9]\n\tstrb r4, [r1, r11]\n\tstrb r2, [r1], #1\n\t" \
  PUT("r5", "r10", "r12", "r8", "r2") PUT("r6", "r10", "r12", "r8", "r2") PUT("r7", "r10", "r12", "r8", "r2") \
  "strb r6, [r1, r9]\n\tstrb r7, [r1, r11]\n\tstrb r5, [r1], #1\n\tstr r1, [sp, #24]\n\t" \
  NEXT "ldr lr, [sp, #36]\n\tcmp r1, lr\n\tbne 1b\n\tadd sp, sp, #52\n\tpop {r4-r11, lr}\n\t"

#define TS_DOT3_FAR(name, code) \
  TS_FAR void name(const ts_dot3 *p) \
  { \
    register const ts_dot3 *r0 __asm__("r0") = p; \
    __asm__ volatile(code : "+r"(r0) : : "r1", "r2", "r3", "r12", "lr", "cc", "memory"); \
  }
/* _relu for lo = zero = -128: what is negative is cut off. */
TS_DOT3_FAR(ts_dot3_rows_relu, TS_DOT3(TS_ROWS_LOAD, TS_ROWS_NEXT, TS_ROWS_BYTES, TS_PUT_RELU))
TS_DOT3_FAR(ts_dot3_rows_any, TS_DOT3(TS_ROWS_LOAD, TS_ROWS_NEXT, TS_ROWS_BYTES, TS_PUT_ANY))
TS_DOT3_FAR(ts_dot3_pairs_relu, TS_DOT3(TS_PAIRS_LOAD, TS_PAIRS_NEXT, TS_PAIRS_BYTES, TS_PUT_RELU))
TS_DOT3_FAR(ts_dot3_pairs_any, TS_DOT3(TS_PAIRS_LOAD, TS_PAIRS_NEXT, TS_PAIRS_BYTES, TS_PUT_ANY))

TS_INL void ts_dot3_put(const ts_dot3 *d, int flags)
{
  if ((flags & TS_PAIRS) != 0) {
    if ((flags & TS_RELU) != 0)
      ts_dot3_pairs_relu(d);
    else
      ts_dot3_pairs_any(d);
  } else if ((flags & TS_RELU) != 0)
    ts_dot3_rows_relu(d);
  else
    ts_dot3_rows_any(d);
}

/* All outputs of three pixels; when their number is odd (and rows are not in pairs), the last one comes once more with the one before it. */
TS_INL void ts_dot3_outputs(ts_dot3 *d, int outputs, int flags)
{
  d->y_end = d->y + (outputs & ~1);
  ts_dot3_put(d, flags);
  if ((outputs & 1) != 0) {
    const int at = outputs - 2;
    ts_dot3 e = *d;
    e.bias += at;
    e.mult += at;
    e.shift += at;
    e.w += at * e.pitch;
    e.y += at;
    e.y_end = e.y + 2;
    ts_dot3_put(&e, flags);
  }
}

TS_INL int ts_dot3_fits(int outputs, int lo, int hi, int flags)
{
  const int needed = TS_SUM_30BIT | TS_SHIFT_MID;
  return outputs > 1 && lo == -128 && hi == 127 && (flags & needed) == needed;
}

/* Appends numbers of three pixels at "to", as above; the end. What a last word misses is 0. */
TS_FAR int32_t *ts_widen3(int32_t *to, const int8_t *a, const int8_t *b, const int8_t *c, int count)
{
  const int rest = count & 3;
  if (count > 3) {
    register int32_t *r0 __asm__("r0") = to;
    register const int8_t *r1 __asm__("r1") = a;
    register const int8_t *r2 __asm__("r2") = b;
    register const int8_t *r3 __asm__("r3") = c;
    register int r12 __asm__("r12") = count >> 2;
    __asm__ volatile(
        "push {r4-r6, r8-r10}\n"
        "1:\n\tldr r4, [r1], #4\n\tldr r5, [r2], #4\n\tldr r6, [r3], #4\n\t"
        "sxtb16 r8, r4, ror #8\n\tsxtb16 r9, r5, ror #8\n\tsxtb16 r10, r6, ror #8\n\t"
        "sxtb16 r4, r4\n\tsxtb16 r5, r5\n\tsxtb16 r6, r6\n\t"
        "subs r12, r12, #1\n\tstm r0!, {r4, r5, r6, r8, r9, r10}\n\tbne 1b\n\t"
        "pop {r4-r6, r8-r10}\n\t"
        : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r12)
        :
        : "cc", "memory");
    to = r0;
    a = r1;
    b = r2;
    c = r3;
  }
  if (rest > 0) {
    uint32_t u = 0, v = 0, t = 0;
    for (int i = 0; i < rest; i++) {
      u |= (uint32_t)(uint8_t)a[i] << (8 * i);
      v |= (uint32_t)(uint8_t)b[i] << (8 * i);
      t |= (uint32_t)(uint8_t)c[i] << (8 * i);
    }
    to[0] = __sxtb16((int8x4_t)u);
    to[1] = __sxtb16((int8x4_t)v);
    to[2] = __sxtb16((int8x4_t)t);
    to[3] = __sxtb16((int8x4_t)(u >> 8));
    to[4] = __sxtb16((int8x4_t)(v >> 8));
    to[5] = __sxtb16((int8x4_t)(t >> 8));
    to += 6;
  }
  return to;
}
`,
};

/** Helpers of the forms that multiply matrices. */
export const DSP_DOT3: readonly KernelSource[] = [dot3];
