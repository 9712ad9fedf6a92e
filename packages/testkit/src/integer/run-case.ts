import { fromNumbers, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import type { ProfileName } from "@tessera/core/interp/integer/profile";
import type { IntegerProgram } from "@tessera/core/interp/integer/program";
import { runInteger } from "@tessera/core/interp/integer/run";
import { caseInput, type IntegerCase, inverseOrder, reorder, tensorOf } from "./case-builder.ts";
import { RUNS_PER_CASE } from "./cases.ts";

/** Compiles a case. */
export function compileCase(test: IntegerCase, profile: ProfileName): IntegerProgram {
  return compileInteger(test.model, test.plan, { profile });
}

/** Output integers of one run, in the layout of TFLite. */
export function runCase(test: IntegerCase, program: IntegerProgram, run: number): Tensor {
  const feeds = new Map(
    test.spec.feeds.map((name) => {
      const t = tensorOf(test.spec, name);
      const given = caseInput(test, name, run);
      const shape = (t.order ?? t.shape.map((_, i) => i)).map((d) => t.shape[d] as number);
      return [name, fromNumbers(t.dtype, shape, reorder(toNumbers(given), t.shape, t.order))] as const;
    }),
  );
  const name = test.spec.outputs[0] as string;
  const t = tensorOf(test.spec, name);
  const made = runInteger(program, feeds, { io: "integer" }).get(name) as Tensor;
  const order = t.order === undefined ? undefined : inverseOrder(t.order);
  return fromNumbers(t.dtype, t.shape, reorder(toNumbers(made), made.shape, order));
}

/** Output bytes of all runs, one after another, in the layout of TFLite. */
export function caseBytes(test: IntegerCase, profile: ProfileName): Uint8Array {
  const program = compileCase(test, profile);
  const parts = Array.from({ length: RUNS_PER_CASE }, (_, run) => runCase(test, program, run).bytes);
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
