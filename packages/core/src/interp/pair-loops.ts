import type { Bigs, Numbers } from "./elements.ts";
import type { Runs } from "./runs.ts";

/** Combines two elements. */
export type Pair = (a: number, b: number) => number;

/** Two inputs and the output of a walk. */
export interface Operands<T, O> {
  readonly a: T;
  readonly b: T;
  readonly out: O;
}

/** out = f(a, b) over the runs of a and b. A loop of its own for float32 meets one kind of array only, and stays fast. */
export function loopFloat32({ a, b, out }: Operands<Float32Array, Float32Array>, runs: Runs, f: Pair): void {
  const [startsA, startsB] = runs.starts as [Int32Array, Int32Array];
  const [stepA, stepB] = runs.steps as [number, number];
  for (let r = 0, o = 0; r < runs.count; r++) {
    let i = startsA[r] as number;
    let k = startsB[r] as number;
    for (let n = 0; n < runs.length; n++, i += stepA, k += stepB) out[o++] = f(a[i] as number, b[k] as number);
  }
}

/** out = a + b. Additions and multiplications are most of the elementwise work of a network: their loops stand without a call. */
export function addFloat32({ a, b, out }: Operands<Float32Array, Float32Array>, runs: Runs): void {
  const [startsA, startsB] = runs.starts as [Int32Array, Int32Array];
  const [stepA, stepB] = runs.steps as [number, number];
  for (let r = 0, o = 0; r < runs.count; r++) {
    let i = startsA[r] as number;
    let k = startsB[r] as number;
    for (let n = 0; n < runs.length; n++, i += stepA, k += stepB) out[o++] = (a[i] as number) + (b[k] as number);
  }
}

/** out = a * b. */
export function mulFloat32({ a, b, out }: Operands<Float32Array, Float32Array>, runs: Runs): void {
  const [startsA, startsB] = runs.starts as [Int32Array, Int32Array];
  const [stepA, stepB] = runs.steps as [number, number];
  for (let r = 0, o = 0; r < runs.count; r++) {
    let i = startsA[r] as number;
    let k = startsB[r] as number;
    for (let n = 0; n < runs.length; n++, i += stepA, k += stepB) out[o++] = (a[i] as number) * (b[k] as number);
  }
}

/** Like {@link loopFloat32}, for flags. */
export function compareFloat32({ a, b, out }: Operands<Float32Array, Uint8Array>, runs: Runs, f: Pair): void {
  const [startsA, startsB] = runs.starts as [Int32Array, Int32Array];
  const [stepA, stepB] = runs.steps as [number, number];
  for (let r = 0, o = 0; r < runs.count; r++) {
    let i = startsA[r] as number;
    let k = startsB[r] as number;
    for (let n = 0; n < runs.length; n++, i += stepA, k += stepB) out[o++] = f(a[i] as number, b[k] as number);
  }
}

/** Like {@link loopFloat32}, for any kinds of arrays. */
export function loopNumbers({ a, b, out }: Operands<Numbers, Numbers>, runs: Runs, f: Pair): void {
  const [startsA, startsB] = runs.starts as [Int32Array, Int32Array];
  const [stepA, stepB] = runs.steps as [number, number];
  for (let r = 0, o = 0; r < runs.count; r++) {
    let i = startsA[r] as number;
    let k = startsB[r] as number;
    for (let n = 0; n < runs.length; n++, i += stepA, k += stepB) out[o++] = f(a[i] as number, b[k] as number);
  }
}

/** Like {@link loopFloat32}, for 64-bit integers. */
export function loopBigs<R>(
  { a, b, out }: Operands<Bigs, { [index: number]: R }>,
  runs: Runs,
  f: (a: bigint, b: bigint) => R,
): void {
  const [startsA, startsB] = runs.starts as [Int32Array, Int32Array];
  const [stepA, stepB] = runs.steps as [number, number];
  for (let r = 0, o = 0; r < runs.count; r++) {
    let i = startsA[r] as number;
    let k = startsB[r] as number;
    for (let n = 0; n < runs.length; n++, i += stepA, k += stepB) out[o++] = f(a[i] as bigint, b[k] as bigint);
  }
}
