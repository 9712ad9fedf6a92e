/** Words that begin no name of a generated file or function: they would shadow a standard header, the kernels' header or a device of some system. */
const TAKEN = new Set(
  [
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio",
    "stdlib stdnoreturn string tgmath threads time uchar wchar wctype arm_acle arm_mve tessera_kernels main aux con nul prn com1 com2 lpt1 lpt2",
    "auto break case char const continue default do double else enum extern for goto if inline int long register restrict return short signed",
    "sizeof static struct switch typedef union unsigned void volatile while asm typeof bool true false",
  ]
    .join(" ")
    .split(" "),
);

/** Longest prefix that names keep: with their endings they stay within what linkers and people can read. */
const LONGEST_NAME = 40;

/**
 * A prefix of C identifiers, macros and file names out of any text: letters, digits and underscores, never empty, never reserved, never the prefix of
 * the kernels ("ts"). The same text gives the same name.
 */
export function cPrefix(text: string): string {
  const plain = text
    .replace(/[^A-Za-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .slice(0, LONGEST_NAME)
    .replace(/_+$/, "");
  if (plain === "") return "model";
  const isTaken = TAKEN.has(plain.toLowerCase()) || /^[0-9]/.test(plain) || /^ts(_|$)/i.test(plain);
  return isTaken ? `model_${plain}` : plain;
}

/**
 * Any text as the inside of a C comment or string: printable ASCII without what could end or continue it (asterisks, backslashes, quotes, question
 * marks of trigraphs, line ends), cut at 80 characters.
 */
export function cComment(text: string): string {
  const safe = text.replace(/[^A-Za-z0-9 _.,:;()[\]{}<>=+@#/-]/gu, "_").replace(/\/{2,}/g, "/");
  return safe.length > 80 ? `${safe.slice(0, 77)}...` : safe;
}

/** An integer as C has it: the least int32 has no literal of its own. */
export function cInteger(value: number): string {
  return value === -2147483648 ? "(-2147483647 - 1)" : String(value);
}

/** A float32 as a C literal that reads back as the same float32. */
export function cFloat(value: number): string {
  const text = Math.fround(value).toPrecision(9);
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}
