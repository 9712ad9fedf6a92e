import type { AddStep, ExtremumStep, MulStep, PreluStep, UnaryStep } from "../../interp/integer/program.ts";
import { type CommonRun, type Factor, joinRuns, type Layout, naturalOrder, refine, sizeOf, storageRuns } from "./layout.ts";
import {
  addConstant,
  deviceRescale,
  type Held,
  heldOf,
  inOrder,
  integerValue,
  isConstant,
  type Lowering,
  makeValue,
  makeValueLike,
  unsignedShift,
  usualOrder,
} from "./lowering.ts";
import type { DeviceBroadcast, DeviceRescale } from "./program.ts";

/** A function of each value: a table of 256 entries. */
export function lowerUnary(at: Lowering, step: UnaryStep): void {
  const name = step.inputs[0] as string;
  const input = inValue(at, name, step.node);
  makeValueLike(at, step.output, input);
  const shift = unsignedShift(at, step.output);
  // Entry 0 is the lowest integer of the input, signed or not.
  const table = Int8Array.from(step.table ?? [], (q) => q - shift);
  const f = step.function;
  at.steps.push({
    kind: "table",
    node: step.node,
    inputs: [input.name],
    output: step.output,
    count: sizeOf(integerValue(at, name).shape),
    table: sharedTable(at, table),
    of: f.kind === "table" ? f.of : f.kind,
  });
}

/** The same table as an earlier step's, when there is one. */
function sharedTable(at: Lowering, table: Int8Array): Int8Array {
  for (const step of at.steps) if (step.kind === "table" && step.table.every((entry, i) => entry === table[i])) return step.table;
  return table;
}

/** A value as it lies, or a constant copied to one. */
export function inValue(at: Lowering, name: string, node: string): Held {
  const held = heldOf(at, name);
  return at.values.has(held.name) ? held : inOrder(at, name, { order: naturalOrder(integerValue(at, name).shape.length), node });
}

/** Two operands and an output, lying so that the larger operand is read as it lies. */
interface Pair {
  readonly names: readonly [string, string];
  readonly broadcast: DeviceBroadcast;
}

/** Factors of an operand against each axis of the output; none where it is broadcast. */
function against(layout: Layout, rank: number): Layout {
  return [...Array.from({ length: rank - layout.length }, (): readonly Factor[] => []), ...layout];
}

/** Lays a constant operand out in the order in which the output lies. */
function constantLike(at: Lowering, name: string, output: Held): Held {
  const { shape } = integerValue(at, name);
  const rank = output.layout.length;
  const lead = rank - shape.length;
  const runs = storageRuns(output.layout).filter(({ axis }) => axis >= lead && shape[axis - lead] !== 1);
  const layout: Factor[][] = shape.map(() => []);
  let stride = sizeOf(shape);
  for (const { axis, factor } of runs) {
    stride /= factor.size;
    layout[axis - lead]?.push({ size: factor.size, stride });
  }
  // Factors of one axis need to stand outermost first, as in the output.
  const sorted = layout.map((factors, i) =>
    factors.length === 0
      ? []
      : inOutputOrder(
          factors,
          runs.filter((run) => run.axis === i + lead),
          output.layout[i + lead] ?? [],
        ),
  );
  const key = storageRuns(sorted).map(({ axis, factor }) => `${axis}:${factor.size}`);
  const as = key.length === 0 ? name : `${name} ${key.join(" ")}`;
  const held = { name: as, layout: sorted };
  addConstant(at, name, held);
  return held;
}

/** Factors that were met in the order of memory, in the order of the axis. */
function inOutputOrder(
  factors: readonly Factor[],
  runs: readonly { readonly factor: Factor }[],
  axis: readonly Factor[],
): readonly Factor[] {
  return axis.map((factor) => factors[runs.findIndex((run) => run.factor === factor)] as Factor);
}

/** Brings two operands and the output of a step together. */
function lowerPair(
  at: Lowering,
  step: { readonly node: string; readonly inputs: readonly string[]; readonly output: string },
): Pair {
  const { shape } = integerValue(at, step.output);
  const rank = shape.length;
  const names = [step.inputs[0] as string, step.inputs[1] as string] as const;
  const count = sizeOf(shape);
  const isFull = (name: string): boolean => sizeOf(integerValue(at, name).shape) === count;
  const base = names.find((name) => isFull(name) && !isConstant(at, name));
  if (base === undefined) makeValue(at, step.output, usualOrder(rank));
  else {
    const held = inValue(at, base, step.node);
    makeValueLike(at, step.output, { name: held.name, layout: against(held.layout, rank) });
  }
  const output = heldOf(at, step.output);
  const operands = names.map((name) => (isConstant(at, name) ? constantLike(at, name, output) : inValue(at, name, step.node)));
  const runsOf = (list: readonly Held[]): CommonRun[] | undefined => {
    const runs: CommonRun[] = [];
    for (let axis = 0; axis < rank; axis++) {
      const common = refine([output.layout[axis] ?? [], ...list.map((held) => against(held.layout, rank)[axis] ?? [])]);
      if (common === undefined) return undefined;
      runs.push(...common);
    }
    return runs;
  };
  let used = operands;
  let runs = runsOf(operands);
  if (runs === undefined) {
    used = names.map((name, i) =>
      isConstant(at, name) || name === base
        ? (operands[i] as Held)
        : inOrder(at, name, { order: naturalOrder(integerValue(at, name).shape.length), node: step.node }),
    );
    runs = runsOf(used) ?? [];
  }
  const sorted = joinRuns([...runs].sort((a, b) => (b.strides[0] as number) - (a.strides[0] as number)));
  const whole = sorted.length === 0 ? [{ size: 1, strides: [1, 1, 1] }] : sorted;
  return {
    names: [(used[0] as Held).name, (used[1] as Held).name],
    broadcast: {
      sizes: whole.map((run) => run.size),
      strides: [whole.map((run) => run.strides[1] as number), whole.map((run) => run.strides[2] as number)],
    },
  };
}

/** Zero points of two operands and the output, and the clamp, in signed integers. */
function signed(at: Lowering, step: AddStep | MulStep | PreluStep) {
  const shift = unsignedShift(at, step.output);
  const zero = (i: 0 | 1): number => step.zeros[i] - unsignedShift(at, step.inputs[i] as string);
  return {
    zeros: [zero(0), zero(1)] as const,
    outputZero: step.outputZero - shift,
    clamp: [step.clamp[0] - shift, step.clamp[1] - shift] as const,
  };
}

/** An operator of two operands. */
export function lowerBinary(at: Lowering, step: AddStep | MulStep | PreluStep | ExtremumStep): void {
  const { names, broadcast } = lowerPair(at, step);
  const base = { node: step.node, inputs: names, output: step.output, ...broadcast };
  if (step.kind === "add") {
    const { subtract, leftShift, multipliers, outputMultiplier, rounding } = step;
    at.steps.push({ kind: "add", ...base, subtract, leftShift, multipliers, outputMultiplier, rounding, ...signed(at, step) });
  } else if (step.kind === "mul")
    at.steps.push({ kind: "mul", ...base, rescale: deviceRescale(step.rescale) as DeviceRescale, ...signed(at, step) });
  else if (step.kind === "prelu") {
    const { positive, negative, rounding } = step;
    at.steps.push({ kind: "prelu", ...base, positive, negative, rounding, ...signed(at, step) });
  } else at.steps.push({ kind: step.kind, ...base });
}
