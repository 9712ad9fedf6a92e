import type { KernelSource } from "../kernel-source.ts";

/** Output columns of a depthwise row that are made at once: bounds the scratch. */
export const DW3_COLUMNS = 24;

/** Bytes of ts_dw3's table for four channels. */
export const DW3_TABLE_BYTES = 128;

/**
 * Depthwise convolution of 3 by 3 for four channels, by hand as ts_dot3.
 *
 * ts_dw3_split turns the words of four channels into pairs for each channel: of every two columns x and x + 1 the pairs (row 0, row 1) of x, the same
 * of x + 1, and (x, x + 1) of row 2: nine taps are four SMLAD and one multiplication, and each pair is made once for all outputs it is part of. Halves
 * of words that belong to one channel are brought together before they are widened: one PKHBT and two SXTB16 make two pairs.
 * ts_dw3_put then goes along the row channel by channel with the weights in registers. Weights and bias are doubled, which saves the doubling of each
 * sum (see ts_dot3 for the rest); the shift lies below the last weight, because a shift by register reads 8 bits only.
 */
const dw3: KernelSource = {
  name: "ts_dw3",
  needs: ["ts_dot3"],
  portable: "",
  dsp: String.raw`TS_INL int ts_dw3_fits(int channels, int multiplier, int kh, int kw, int stride, int dilation, int lo, int hi, int flags)
{
  return kh == 3 && kw == 3 && multiplier == 1 && dilation == 1 && stride <= 2 && channels >= 4 && ts_dot3_fits(2, lo, hi, flags);
}

typedef struct ts_dw3 {
  const int8_t *rows[3];
  int32_t channels;
  int32_t *pairs, *pairs_end, *all_end;
} ts_dw3;

/* Pairs of columns up to pairs_end, and one more up to all_end whose second column stands for nothing. */
TS_FAR void ts_dw3_split(const ts_dw3 *p)
{
  register const ts_dw3 *r0 __asm__("r0") = p;
  __asm__ volatile(
      "push {r4-r11, lr}\n\tsub sp, sp, #8\n\tldr r4, [r0, #20]\n\tldr r5, [r0, #24]\n\tstrd r4, r5, [sp]\n\t"
      "ldr lr, [r0, #16]\n\tldm r0, {r0, r1, r2, r3}\n\t"
      "cmp lr, r4\n\tbeq 2f\n"
      "1:\n\tldr r6, [r0]\n\tldr r9, [r0, r3]\n\tadd r0, r0, r3, lsl #1\n\t"
      "ldr r7, [r1]\n\tldr r10, [r1, r3]\n\tadd r1, r1, r3, lsl #1\n\t"
      "ldr r8, [r2]\n\tldr r11, [r2, r3]\n\tadd r2, r2, r3, lsl #1\n\t"
      "pkhbt r4, r6, r7, lsl #16\n\tpkhtb r6, r7, r6, asr #16\n\t"
      "pkhbt r5, r9, r10, lsl #16\n\tpkhtb r7, r10, r9, asr #16\n\t"
      "pkhbt r9, r8, r11, lsl #16\n\tpkhtb r8, r11, r8, asr #16\n\t"
      "sxtb16 r10, r4\n\tsxtb16 r11, r5\n\tsxtb16 r12, r9\n\tstm lr!, {r10, r11, r12}\n\t"
      "sxtb16 r4, r4, ror #8\n\tsxtb16 r5, r5, ror #8\n\tsxtb16 r9, r9, ror #8\n\tstm lr!, {r4, r5, r9}\n\t"
      "sxtb16 r10, r6\n\tsxtb16 r11, r7\n\tsxtb16 r12, r8\n\tstm lr!, {r10, r11, r12}\n\t"
      "sxtb16 r6, r6, ror #8\n\tsxtb16 r7, r7, ror #8\n\tsxtb16 r8, r8, ror #8\n\tstm lr!, {r6, r7, r8}\n\t"
      "ldr r12, [sp]\n\tcmp lr, r12\n\tbne 1b\n"
      "2:\n\tldr r12, [sp, #4]\n\tcmp lr, r12\n\tbeq 3f\n\tstr r12, [sp]\n\tmov r3, #0\n\tb 1b\n"
      "3:\n\tadd sp, sp, #8\n\tpop {r4-r11, lr}\n\t"
      : "+r"(r0)
      :
      : "r1", "r2", "r3", "r12", "lr", "cc", "memory");
}

/* For each of four channels: taps (0, 3), (1, 4), (2, 5), (6, 7), all doubled; 8 doubled above the shift; multiplier; addend; doubled bias. */
#define TS_DW3_PAIR(i, s, t) { \
  uint32_t u, v, e; \
  memcpy(&u, w + (s) * channels, 4); \
  memcpy(&v, w + (t) * channels, 4); \
  __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(e) : "r"(u), "r"(v)); \
  __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(v) : "r"(v), "r"(u)); \
  table[i] = __sxtab16(__sxtb16((int8x4_t)e), (int8x4_t)e); \
  e >>= 8; \
  table[8 + i] = __sxtab16(__sxtb16((int8x4_t)e), (int8x4_t)e); \
  table[16 + i] = __sxtab16(__sxtb16((int8x4_t)v), (int8x4_t)v); \
  v >>= 8; \
  table[24 + i] = __sxtab16(__sxtb16((int8x4_t)v), (int8x4_t)v); }
TS_FAR void ts_dw3_table(int32_t *table, int channels, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero)
{
  TS_DW3_PAIR(0, 0, 3)
  TS_DW3_PAIR(1, 1, 4)
  TS_DW3_PAIR(2, 2, 5)
  TS_DW3_PAIR(3, 6, 7)
  w += 8 * channels;
  for (int c = 0; c < 4; c++, table += 8) {
    table[4] = w[c] * 131072 + shift[c];
    table[5] = mult[c];
    table[6] = (int32_t)((uint32_t)(2 * zero + 1) << shift[c]) >> 1;
    table[7] = bias[c] * 2;
  }
}

typedef struct ts_dw3_out {
  const int32_t *table, *pairs;
  int8_t *y;
  int32_t channels, bytes, odd;
} ts_dw3_out;

#define TS_DW3_RELU(a) TS_HIGH a ", " a ", r7, r8\n\tasr " a ", " a ", r6\n\tssat " a ", #8, " a "\n\t"
#if TS_ROUNDING == 1
#define TS_DW3_ANY TS_DW3_RELU
#else
#define TS_DW3_ANY(a) "smmulr " a ", " a ", r7\n\tadd " a ", " a ", " a ", asr #31\n\tadd " a ", " a ", r8\n\tasr " a ", " a ", r6\n\tssat " a ", #8, " a "\n\t"
#endif
/* r0 pairs, r1 output, r2 to r5 weights, r6 the ninth and the shift, r7 multiplier, r8 addend, r9 and r10 sums, r11, r12, lr pairs of two columns. */
#define TS_DW3_HEAD \
  "push {r4-r11, lr}\n\tsub sp, sp, #36\n\tldm r0, {r1-r6}\n\tmov r7, #4\n\tstm sp, {r1-r7}\n" \
  "1:\n\tldr r9, [sp]\n\tldm r9!, {r2-r8, r10}\n\tstr r9, [sp]\n\tstr r10, [sp, #28]\n\t" \
  "ldrd r0, r1, [sp, #4]\n\tadd r11, r0, #12\n\tadd r12, r1, #1\n\tstrd r11, r12, [sp, #4]\n\t" \
  "ldr r9, [sp, #16]\n\tadd r9, r9, r0\n\tstr r9, [sp, #32]\n\t" \
  "ldm r0, {r11, r12, lr}\n\t"
#define TS_DW3_TAIL "ldr r9, [sp, #24]\n\tsubs r9, r9, #1\n\tstr r9, [sp, #24]\n\tbne 1b\n\tadd sp, sp, #36\n\tpop {r4-r11, lr}\n\t"
#define TS_DW3_STRIDE_1(PUT) TS_DW3_HEAD \
  "cmp r9, r0\n\tbeq 3f\n" \
  "2:\n\tldr r9, [sp, #28]\n\tmov r10, r9\n\t" \
  "smlad r9, r11, r2, r9\n\tsmlad r9, lr, r5, r9\n\tsmlatb r10, lr, r5, r10\n\tsmlad r9, r12, r3, r9\n\tsmlad r10, r12, r2, r10\n\t" \
  "add r0, r0, #48\n\tldm r0, {r11, r12, lr}\n\t" \
  "smlad r9, r11, r4, r9\n\tsmlabt r9, lr, r6, r9\n\t" \
  "smlad r10, r11, r3, r10\n\tsmlad r10, r12, r4, r10\n\tsmlabt r10, lr, r5, r10\n\tsmlatt r10, lr, r6, r10\n\t" \
  PUT("r9") PUT("r10") \
  "strb r9, [r1]\n\tldr r9, [sp, #12]\n\tstrb r10, [r1, r9]\n\tadd r1, r1, r9, lsl #1\n\t" \
  "ldr r9, [sp, #32]\n\tcmp r0, r9\n\tbne 2b\n" \
  "3:\n\tldr r9, [sp, #20]\n\tcmp r9, #0\n\tbeq 4f\n\tldr r9, [sp, #28]\n\t" \
  "smlad r9, r11, r2, r9\n\tsmlad r9, lr, r5, r9\n\tsmlad r9, r12, r3, r9\n\t" \
  "add r0, r0, #48\n\tldm r0, {r11, r12, lr}\n\t" \
  "smlad r9, r11, r4, r9\n\tsmlabt r9, lr, r6, r9\n\t" \
  PUT("r9") "strb r9, [r1]\n" \
  "4:\n\t" TS_DW3_TAIL
#define TS_DW3_STRIDE_2(PUT) TS_DW3_HEAD \
  "2:\n\tldr r9, [sp, #28]\n\t" \
  "smlad r9, r11, r2, r9\n\tsmlad r9, lr, r5, r9\n\tsmlad r9, r12, r3, r9\n\t" \
  "add r0, r0, #48\n\tldm r0, {r11, r12, lr}\n\t" \
  "smlad r9, r11, r4, r9\n\tsmlabt r9, lr, r6, r9\n\t" \
  PUT("r9") "ldr r10, [sp, #12]\n\tstrb r9, [r1]\n\tadd r1, r1, r10\n\t" \
  "ldr r9, [sp, #32]\n\tcmp r0, r9\n\tbne 2b\n\t" TS_DW3_TAIL

#define TS_DW3_PUT(name, code) \
  TS_FAR void name(const ts_dw3_out *p) \
  { \
    register const ts_dw3_out *r0 __asm__("r0") = p; \
    __asm__ volatile(code : "+r"(r0) : : "r1", "r2", "r3", "r12", "lr", "cc", "memory"); \
  }
TS_DW3_PUT(ts_dw3_put_1_relu, TS_DW3_STRIDE_1(TS_DW3_RELU))
TS_DW3_PUT(ts_dw3_put_1_any, TS_DW3_STRIDE_1(TS_DW3_ANY))
TS_DW3_PUT(ts_dw3_put_2_relu, TS_DW3_STRIDE_2(TS_DW3_RELU))
TS_DW3_PUT(ts_dw3_put_2_any, TS_DW3_STRIDE_2(TS_DW3_ANY))
`,
};

/** Helpers of the depthwise form. */
export const DSP_DW3: readonly KernelSource[] = [dw3];
