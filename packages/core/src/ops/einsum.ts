import { fail } from "../base/error.ts";

/** An Einsum equation with one label for each axis; the axes under an ellipsis get labels "0", "1" ... counted from their end. */
export interface EinsumPlan {
  readonly terms: readonly (readonly string[])[];
  readonly output: readonly string[];
}

function wrong(equation: string, why: string): Error {
  return fail("ATTRIBUTE_INVALID", `Cannot read the Einsum equation "${equation}": ${why}`);
}

function labelsOf(term: string, equation: string, hidden: number): string[] {
  const labels: string[] = [];
  for (let i = 0; i < term.length; i++) {
    const letter = term[i] as string;
    if (letter === ".") {
      if (term.slice(i, i + 3) !== "...") throw wrong(equation, "a dot that is no ellipsis");
      for (let k = hidden; k > 0; k--) labels.push(String(k - 1));
      i += 2;
    } else if (/[A-Za-z]/.test(letter)) labels.push(letter);
    else throw wrong(equation, `unexpected "${letter}"`);
  }
  return labels;
}

/**
 * Splits an equation such as "bij,bjk->bik" for inputs of the given ranks. Without "->" the output has the ellipsis axes and then, in alphabetical order,
 * each letter that occurs once. @throws ATTRIBUTE_INVALID
 */
export function parseEinsum(equation: string, ranks: readonly number[]): EinsumPlan {
  const [left = "", right, more] = equation.replace(/\s+/g, "").split("->");
  if (more !== undefined) throw wrong(equation, "more than one arrow");
  const texts = left.split(",");
  if (texts.length !== ranks.length) throw wrong(equation, `it has ${texts.length} terms for ${ranks.length} inputs`);
  let widest = 0;
  const terms = texts.map((text, k) => {
    const letters = text.replace("...", "").length;
    const hidden = (ranks[k] ?? 0) - letters;
    if (hidden < 0 || (hidden > 0 && !text.includes("...")))
      throw wrong(equation, `term "${text}" does not fit rank ${ranks[k]}`);
    widest = Math.max(widest, hidden);
    return labelsOf(text, equation, hidden);
  });
  if (right !== undefined) {
    const output = labelsOf(right, equation, widest);
    const known = new Set(terms.flat());
    for (const label of output) if (!known.has(label)) throw wrong(equation, `"${label}" is in the output only`);
    if (new Set(output).size !== output.length) throw wrong(equation, "the output names an axis twice");
    return { terms, output };
  }
  const counts = new Map<string, number>();
  for (const label of terms.flat()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const once = [...counts].filter(([label, count]) => count === 1 && /[A-Za-z]/.test(label)).map(([label]) => label);
  const front = Array.from({ length: widest }, (_, k) => String(widest - 1 - k));
  return { terms, output: [...front, ...once.sort()] };
}
