import type { Kernel } from "./kernel.ts";

/** How many parts of a graph are connected in integers: kernels that hand each other integers are one part. */
export function islandsOf(kernels: readonly Kernel[]): number {
  const integer = kernels.filter((k) => k.numbers !== "float32" && k.kind !== "quantize" && k.kind !== "dequantize");
  const above = new Map<string, string>();
  const root = (name: string): string => {
    let at = name;
    for (let next = above.get(at); next !== undefined; next = above.get(at)) at = next;
    // Who asks again along this way need not go all of it: a recurrent network of many steps is one long way.
    let passed = name;
    while (passed !== at) {
      const next = above.get(passed) as string;
      above.set(passed, at);
      passed = next;
    }
    return at;
  };
  const made = new Set(integer.flatMap((k) => k.outputs));
  for (const { inputs, outputs } of integer) {
    const [first, ...rest] = [...outputs, ...inputs.filter((name) => made.has(name))];
    for (const name of rest) if (root(name) !== root(first as string)) above.set(root(name), root(first as string));
  }
  return new Set(integer.flatMap((k) => k.outputs.slice(0, 1)).map(root)).size;
}
