import { fail } from "../../base/error.ts";
import { byteLength, DTYPES } from "../../graph/dtype.ts";
import { countOf } from "../../graph/tensor.ts";
import { broadcastShapes, broadcastStrides } from "../../ops/broadcast.ts";
import type { Kernel } from "../kernel.ts";
import { cellsOf } from "../move.ts";
import type { Operands } from "../pair-loops.ts";
import { planRuns, type Runs } from "../runs.ts";
import { needed, unsupportedType } from "./needed.ts";

/** Where: elements of X where the condition holds and of Y elsewhere, of any type of whole bytes. */
export const where: Kernel = (inputs, context) => {
  const condition = needed(inputs, 0, context);
  const x = needed(inputs, 1, context);
  const y = needed(inputs, 2, context);
  if (x.dtype !== y.dtype)
    throw fail("DTYPE_MISMATCH", `Cannot choose between ${x.dtype} and ${y.dtype}: the element types differ`);
  const shape = broadcastShapes([condition.shape, x.shape, y.shape]) as readonly number[];
  const runs = planRuns(
    shape,
    [condition, x, y].map((t) => broadcastStrides(t.shape, shape)),
  );
  if (x.strings !== undefined && y.strings !== undefined) {
    const strings = new Array<Uint8Array>(countOf(shape));
    choose({ a: x.strings, b: y.strings, out: strings }, runs, { flags: condition.bytes, wide: 1 });
    return [{ ...x, shape, strings }];
  }
  const { bits } = DTYPES[x.dtype];
  if (bits < 8) throw unsupportedType(x, context);
  const bytes = new Uint8Array(byteLength(x.dtype, countOf(shape)));
  const cells = { a: cellsOf(x.bytes, bits / 8), b: cellsOf(y.bytes, bits / 8), out: cellsOf(bytes, bits / 8) };
  choose<number>(cells, runs, { flags: condition.bytes, wide: Math.max(1, bits / 32) });
  return [{ dtype: x.dtype, shape, bytes }];
};

// Takes `wide` cells of `a` where the flag is set and of `b` where not.
function choose<T>(
  { a, b, out }: Operands<{ readonly [index: number]: T }, { [index: number]: T }>,
  runs: Runs,
  { flags, wide }: { readonly flags: Uint8Array; readonly wide: number },
): void {
  const [startsC, startsA, startsB] = runs.starts as [Int32Array, Int32Array, Int32Array];
  const [stepC, stepA, stepB] = runs.steps as [number, number, number];
  for (let r = 0, o = 0; r < runs.count; r++) {
    let c = startsC[r] as number;
    let i = startsA[r] as number;
    let k = startsB[r] as number;
    for (let n = 0; n < runs.length; n++, c += stepC, i += stepA, k += stepB) {
      const yes = flags[c] !== 0;
      for (let w = 0; w < wide; w++) out[o++] = yes ? (a[i * wide + w] as T) : (b[k * wide + w] as T);
    }
  }
}
