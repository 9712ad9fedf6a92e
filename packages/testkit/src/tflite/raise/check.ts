import fc from "fast-check";
import { beforeAll, vi } from "vitest";
import type { Tolerance } from "../../compare-tensors.ts";
import { openLitert } from "../litert.ts";
import { openTfjsTflite } from "../tfjs-tflite.ts";
import type { TfliteRunner } from "../tflite-runner.ts";
import { judged, type OneOperator } from "./one-operator.ts";

/** Real runtimes for a file of tests; started once. */
export interface Runtimes {
  readonly tfjs: () => TfliteRunner;
  readonly litert: () => TfliteRunner;
}

/** Starts both runtimes before the tests of a file. */
export function realRuntimes(): Runtimes {
  let tfjs: TfliteRunner | undefined;
  let litert: TfliteRunner | undefined;
  beforeAll(async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    litert = await openLitert();
    warn.mockRestore();
    tfjs = await openTfjsTflite();
  });
  const started = (runner: TfliteRunner | undefined): TfliteRunner => {
    if (runner === undefined) throw new Error("The runtimes are not started yet");
    return runner;
  };
  return { tfjs: () => started(tfjs), litert: () => started(litert) };
}

/** Options of {@link holds}. */
export interface HoldsOptions {
  /** Files, of {@link OPERATORS_PER_FILE} operators each. */
  readonly files?: number;
  readonly tolerance?: Tolerance;
  /** Runtimes that do not have the operator, or have it wrong; say why at the call. */
  readonly without?: readonly ("tfjs" | "litert")[];
}

/** Starting a runtime takes far longer than running one small operator. */
const OPERATORS_PER_FILE = 12;

/** Files of one operator with different sizes and options, raised and run, against what real runtimes make of them. */
export async function holds(runtimes: Runtimes, operators: fc.Arbitrary<OneOperator>, options: HoldsOptions = {}): Promise<void> {
  const { files = 3, without = [], tolerance } = options;
  const judges = {
    ...(without.includes("tfjs") ? {} : { tfjs: runtimes.tfjs() }),
    ...(without.includes("litert") ? {} : { litert: runtimes.litert() }),
  };
  const list = fc
    .array(operators, { minLength: OPERATORS_PER_FILE, maxLength: OPERATORS_PER_FILE })
    .map((ones) => ({ ones, [fc.toStringMethod]: () => ones.map(({ op }) => op).join(", ") }));
  await fc.assert(
    fc.asyncProperty(list, async ({ ones }) => {
      const apart = await judged(ones, judges, tolerance);
      if (apart !== undefined) throw new Error(apart);
    }),
    // A failure names the operator and its sizes: searching for smaller ones would start the runtimes a hundred times.
    { numRuns: files, endOnFailure: true },
  );
}
