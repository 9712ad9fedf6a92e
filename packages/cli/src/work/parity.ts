import { fail } from "@tessera/core/base/error";
import { isStatic } from "@tessera/core/graph/dim";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import type { Feeds, LoadOptions, Runtime } from "@tessera/core/graph/runtime";
import { type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { outputsDifference, tensorDifference } from "@tessera/core/passes/proof";
import { addDifference, createDifference, differenceOf } from "@tessera/core/quant/compare-tensors";
import { openRunnable, type RunFile } from "../io/runnable.ts";
import { type InputOptions, inputsFor } from "./feeds.ts";
import { commonBatch, inRuns } from "./rows.ts";

/** That two files compute the same, each on its runtime. */
export interface Parity {
  /** The runtime, or both of them where they differ. */
  readonly runtime: string;
  readonly inputs: number;
  /** Largest difference, as a share of the output's largest magnitude. */
  readonly worstRelative: number;
  /** Largest difference as it is, over all float outputs; where the files are of different formats. */
  readonly worstAbsolute?: number;
  readonly output: string;
  /** Least cosine of an output; where the files are of different formats. */
  readonly cosine?: number;
  /** In steps of the outputs' own grids; where both files compute in integers. */
  readonly steps?: { readonly worst: number; readonly equalShare: number; readonly compared: number };
}

/** A file and what runs it. */
export interface Side {
  readonly file: RunFile;
  readonly runtime: Runtime;
}

/** What two files may differ by. A bound that is absent does not hold. */
export interface ParityBounds {
  /** As a share of the output's largest magnitude. */
  readonly relative?: number;
  /**
   * Differences up to this count as none where the values are alike otherwise: kernels compute sigmoids and the like to about 1e-7 of 1, not of a result
   * that is itself near nothing.
   */
  readonly absolute?: number;
  readonly cosine?: number;
  /** In steps of the output's grid. */
  readonly steps?: number;
}

/** What {@link provePair} needs. */
export interface ParityRequest {
  readonly inputs: InputOptions;
  readonly bounds: ParityBounds;
  /** Grids of the outputs, by name, for differences in steps. */
  readonly outputGrids?: ReadonlyMap<string, Encoding>;
  /** Sizes that the reference leaves open and the other one does not. */
  readonly dims?: ReadonlyMap<string, number>;
  readonly signal: AbortSignal;
}

interface Steps {
  worst: number;
  equal: number;
  total: number;
}

/** Adds the differences of two values in steps of a grid. */
function addSteps(steps: Steps, a: Tensor, b: Tensor, scale: number): void {
  const [x, y] = [toNumbers(a), toNumbers(b)];
  for (let i = 0; i < x.length; i++) {
    const apart = Math.round(Math.abs((x[i] as number) - (y[i] as number)) / scale);
    if (apart === 0) steps.equal++;
    steps.worst = Math.max(steps.worst, apart);
  }
  steps.total += x.length;
}

/** The runtimes of two sides in words. */
export function runtimesOf(sides: readonly Pick<Side, "runtime">[]): string {
  return [...new Set(sides.map(({ runtime }) => `${runtime.id} ${runtime.version}`))].join(" and ");
}

/**
 * Runs two files on the same inputs, each on its own runtime, and compares every output. Both run as they stand, without the runtime's own rewriting
 * where it can be switched off. Where they have different fixed batches, each makes as many runs as it takes.
 *
 * @throws PROOF_FAILED beyond the bounds; RUNTIME_FAILED when a file does not run
 */
export async function provePair(reference: Side, changed: Side, request: ParityRequest): Promise<Parity> {
  const { bounds, signal, outputGrids = new Map<string, Encoding>() } = request;
  const load: LoadOptions = { optimization: "none", ...(request.dims === undefined ? {} : { dims: request.dims }) };
  const opened = await openRunnable(reference.runtime, reference.file, load);
  try {
    const other = await openRunnable(changed.runtime, changed.file, { optimization: "none" });
    try {
      const batch = commonBatch(opened, other);
      const [first, second] = batch === undefined ? [opened, other] : [inRuns(opened, batch), inRuns(other, batch)];
      const inputs = await inputsFor({ inputs: closedBy(first.inputs, second.inputs), run: (f) => first.run(f) }, request.inputs);
      let worst = { relative: 0, output: "" };
      let alike: Alike = { cosine: 1, absolute: 0 };
      const steps: Steps = { worst: 0, equal: 0, total: 0 };
      let count = 0;
      for (const feeds of inputs.feeds()) {
        signal.throwIfAborted();
        const [a, b] = [await first.run(feeds), await second.run(feeds)];
        const found = outputsDifference(a, b);
        count++;
        if (found !== undefined && found.relative >= worst.relative) worst = found;
        const now = checked(a, b, bounds);
        alike = { cosine: Math.min(alike.cosine, now.cosine), absolute: Math.max(alike.absolute, now.absolute) };
        for (const [name, { scale }] of outputGrids) {
          const [x, y] = [a.get(name), b.get(name)];
          if (x !== undefined && y !== undefined) addSteps(steps, x, y, scale[0] as number);
        }
        if (steps.worst > (bounds.steps ?? Number.MAX_VALUE))
          throw refused(worst.output, `differs by ${steps.worst} steps of its grid, ${bounds.steps} is allowed`);
      }
      return {
        runtime: runtimesOf([reference, changed]),
        inputs: count,
        worstRelative: worst.relative,
        output: worst.output,
        ...(reference.runtime.id === changed.runtime.id ? {} : { cosine: alike.cosine, worstAbsolute: alike.absolute }),
        ...(steps.total === 0
          ? {}
          : { steps: { worst: steps.worst, equalShare: steps.equal / steps.total, compared: steps.total } }),
      };
    } finally {
      await other.close();
    }
  } finally {
    await opened.close();
  }
}

/** Inputs with the sizes that the other file fixes where this one leaves them open. */
function closedBy(inputs: readonly ValueInfo[], other: readonly ValueInfo[]): readonly ValueInfo[] {
  return inputs.map((input) => {
    const type = other.find(({ name }) => name === input.name)?.type;
    const isOpen = input.type.kind === "tensor" && !isStatic(input.type.shape);
    return isOpen && type?.kind === "tensor" && isStatic(type.shape) && type.dtype === input.type.dtype
      ? { ...input, type }
      : input;
  });
}

function refused(output: string, what: string): Error {
  return fail("PROOF_FAILED", `Cannot vouch for the result: output ${output} ${what}`, {
    at: { tensor: output },
    hint: "Report it with the model; nothing was written",
  });
}

/** Cosine at which outputs within the absolute bound count as the same. */
const ALIKE = 0.999;

/** How alike the float outputs are: least cosine, largest difference. */
interface Alike {
  readonly cosine: number;
  readonly absolute: number;
}

/** Holds every output to the bounds. @throws PROOF_FAILED */
function checked(a: Feeds, b: Feeds, bounds: ParityBounds): Alike {
  let least = 1;
  let absolute = 0;
  for (const [name, x] of a) {
    const y = b.get(name);
    const relative = y === undefined ? Number.POSITIVE_INFINITY : tensorDifference(x, y);
    if (y === undefined || !Number.isFinite(relative)) {
      const is =
        y === undefined ? "is missing" : `is ${y.dtype}[${y.shape}], was ${x.dtype}[${x.shape}], or differs beyond all measure`;
      throw refused(name, is);
    }
    const sums = createDifference();
    const isFloat = x.dtype === "float32";
    if (isFloat) addDifference(sums, Float32Array.from(toNumbers(x)), Float32Array.from(toNumbers(y)));
    const { cosine, maxAbs } = differenceOf(sums);
    const isRounding = isFloat && maxAbs <= (bounds.absolute ?? -1) && cosine >= ALIKE;
    if (relative > (bounds.relative ?? Number.MAX_VALUE) && !isRounding)
      throw refused(name, `differs by ${relative.toExponential(1)} of its magnitude, ${bounds.relative} is allowed`);
    if (!isFloat) continue;
    if (cosine < (bounds.cosine ?? -1))
      throw refused(name, `has cosine ${cosine.toFixed(4)} to the original, ${bounds.cosine} is the least allowed`);
    least = Math.min(least, cosine);
    absolute = Math.max(absolute, maxAbs);
  }
  return { cosine: least, absolute };
}
