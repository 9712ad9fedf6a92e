import type { KernelSource } from "../kernel-source.ts";

/** Helper of the two forms below: what a last word of activations misses is 0. Weights are filled up to whole words already. */
const lastWord: KernelSource = {
  name: "ts_last_word",
  needs: [],
  portable: "",
  dsp: `TS_INL uint32_t ts_last_word(const int8_t *x, int count)
{
  uint32_t v = 0;
  for (int i = 0; i < count; i++)
    v |= (uint32_t)(uint8_t)x[i] << (8 * i);
  return v;
}
`,
};

/** Registers in order: the pointers, the sums; lr counts words. r8 to r12 are free for the body, which advances the pointers by a word. */
function loop(name: string, pointers: number, body: string): string {
  return String.raw`typedef struct ${name}_far {
  const int8_t *from[${pointers}];
  int32_t sums[4], words;
} ${name}_far;
TS_FAR void ${name}_words(${name}_far *p)
{
  register ${name}_far *r0 __asm__("r0") = p;
  __asm__ volatile(
      "push {r0, r4-r11, lr}\n\tldm r0, {r0-r${pointers + 3}, lr}\n"
      "1:\n\t"
${body}
      "subs lr, lr, #1\n\tbne 1b\n\tldr r12, [sp]\n\tadd r12, r12, #${4 * pointers}\n\tstm r12, {r${pointers}-r${pointers + 3}}\n\tpop {r0, r4-r11, lr}\n\t"
      : "+r"(r0)
      :
      : "r1", "r2", "r3", "r12", "lr", "cc", "memory");
}
`;
}

/** Lines of one asm string each. */
function lines(...each: readonly string[]): string {
  return each.map((line) => String.raw`      "${line.replaceAll("; ", String.raw`\n\t`)}\n\t"`).join("\n");
}

const ROW = (pointer: string, sum: string): string =>
  `ldr r11, [${pointer}], #4; sxtb16 r12, r11; smlad ${sum}, r9, r12, ${sum}; sxtb16 r11, r11, ror #8; smlad ${sum}, r10, r11, ${sum}`;

const PAIRS = (step: string, turn: string): readonly string[] => [
  `ldr r8, [r0]${step}; ldr r9, [r1]${step}; ldr r10, [r2]${step}; ldr r11, [r3]${step}`,
  `sxtb16 r8, r8${turn}; sxtb16 r9, r9${turn}; sxtb16 r10, r10${turn}; sxtb16 r11, r11${turn}`,
  "smlad r4, r8, r10, r4; smlad r5, r8, r11, r5; smlad r6, r9, r10, r6; smlad r7, r9, r11, r7",
];

/** ts_dot_1x4: a word of activations is split once for four words of weights. */
export const DSP_DOT_1X4 = {
  needs: ["ts_last_word"],
  source: `${loop(
    "ts_dot_1x4",
    5,
    lines(
      "ldr r9, [r0], #4; sxtb16 r10, r9, ror #8; sxtb16 r9, r9",
      ROW("r1", "r5"),
      ROW("r2", "r6"),
      ROW("r3", "r7"),
      ROW("r4", "r8"),
    ),
  )}
TS_INL void ts_dot_1x4(const int8_t *a, const int8_t *t, const int8_t *u, const int8_t *v, const int8_t *w, int depth, int32_t *sums)
{
  const int whole = depth & ~3;
  ts_dot_1x4_far p = { { a, t, u, v, w }, { sums[0], sums[1], sums[2], sums[3] }, depth >> 2 };
  if (whole > 0)
    ts_dot_1x4_words(&p);
  if (whole < depth) {
    const uint32_t last = ts_last_word(a + whole, depth - whole);
    const ts_dot_1x4_far q = { { (const int8_t *)&last, t + whole, u + whole, v + whole, w + whole }, { p.sums[0], p.sums[1], p.sums[2], p.sums[3] }, 1 };
    p = q;
    ts_dot_1x4_words(&p);
  }
  memcpy(sums, p.sums, sizeof p.sums);
}
`,
};

/** ts_dot_2x2, for layers that the form with three pixels does not fit. Both halves of the words are loaded, because there are no registers to keep them. */
export const DSP_DOT_2X2 = {
  needs: ["ts_last_word"],
  source: `${loop("ts_dot_2x2", 4, lines(...PAIRS("", ""), ...PAIRS(", #4", ", ror #8")))}
TS_INL void ts_dot_2x2(const int8_t *a, const int8_t *b, const int8_t *u, const int8_t *v, int depth, int32_t *sums)
{
  const int whole = depth & ~3;
  ts_dot_2x2_far p = { { a, b, u, v }, { sums[0], sums[1], sums[0], sums[1] }, depth >> 2 };
  if (whole > 0)
    ts_dot_2x2_words(&p);
  if (whole < depth) {
    const uint32_t last[2] = { ts_last_word(a + whole, depth - whole), ts_last_word(b + whole, depth - whole) };
    const ts_dot_2x2_far q = { { (const int8_t *)&last[0], (const int8_t *)&last[1], u + whole, v + whole }, { p.sums[0], p.sums[1], p.sums[2], p.sums[3] }, 1 };
    p = q;
    ts_dot_2x2_words(&p);
  }
  memcpy(sums, p.sums, sizeof p.sums);
}
`,
};

/** Helpers of these forms. */
export const DSP_DOT: readonly KernelSource[] = [lastWord];
