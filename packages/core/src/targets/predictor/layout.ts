import { isStatic } from "../../graph/dim.ts";
import type { Model, TensorType } from "../../graph/model.ts";
import { attrInts } from "../../graph/node.ts";
import { countOf } from "../../graph/tensor.ts";
import type { Target } from "../target.ts";
import type { Kernel, KernelKind } from "./kernel.ts";

/** Kernels that work with channels last, and so begin and end a block of that layout. */
const CHANNELS_LAST: ReadonlySet<KernelKind> = new Set(["conv1x1", "conv1d", "conv", "depthwise", "grouped", "transposed"]);
/** Kernels that a runtime moves a change of layout past, because they treat all axes alike or can be told of another order. */
const INDIFFERENT: ReadonlySet<KernelKind> = new Set(["elementwise", "prelu", "pool", "quantize", "dequantize"]);
const INDIFFERENT_OPS: ReadonlySet<string> = new Set(["Sigmoid", "Tanh", "Concat", "Resize", "Split", "Slice", "Pad"]);

/** What {@link layoutChanges} finds. */
export interface LayoutChanges {
  /** Elements moved by each change that the runtime adds. */
  readonly added: readonly number[];
  /** Values that the model's own Transposes make and that are left. */
  readonly kept: readonly string[];
}

/**
 * The changes of layout that a runtime puts around blocks of integer kernels with channels last, in a graph whose values have channels first: one for
 * each value that enters such a block or leaves it. A Transpose of the model that says the same is one with it. For runtimes whose whole graph has
 * channels last, inputs and outputs are in that layout already.
 */
export function layoutChanges(model: Model, kernels: readonly Kernel[], target: Target): LayoutChanges {
  const whole = target.format === "tflite";
  const blocks = blocksOf(kernels, whole);
  const types = model.graph.types;
  const own = new Map(
    model.graph.nodes.filter((n) => n.op === "Transpose").map((n) => [n.outputs[0] as string, attrInts(n, "perm")] as const),
  );
  const elements = (name: string): number => sizeOf(types.get(name) as TensorType | undefined);
  const plane = (name: string): number => planeOf(types.get(name) as TensorType | undefined);
  const gone = new Set<string>();
  const entered = new Set<string>();
  const left = new Set<string>();
  const fed = new Set(model.graph.inputs.map((i) => i.name));
  const answered = new Set(model.graph.outputs.map((o) => o.name));
  const makers = new Map<string, Kernel>();
  for (const kernel of kernels) if (!isBorder(kernel)) for (const name of kernel.outputs) makers.set(name, kernel);
  const inside = (kernel: Kernel | undefined): boolean => kernel !== undefined && blocks.has(kernel);
  for (const kernel of kernels) {
    if (isBorder(kernel)) continue;
    for (const name of kernel.inputs) {
      const maker = makers.get(name);
      if (inside(kernel) && !inside(maker)) {
        const perm = own.get(name);
        if (isPerm(perm, [0, 3, 1, 2])) gone.add(name);
        else if (hasPlanes(types.get(name)) && !(whole && fed.has(name))) entered.add(name);
      }
      if (!inside(kernel) && inside(maker)) {
        const [made = ""] = kernel.outputs;
        if (kernel.op === "Transpose" && isPerm(own.get(made), [0, 2, 3, 1])) gone.add(made);
        else if (hasPlanes(types.get(name)) && !(whole && plane(name) <= 1)) left.add(name);
      }
    }
    if (!whole && inside(kernel))
      for (const name of kernel.outputs) if (answered.has(name) && hasPlanes(types.get(name))) left.add(name);
  }
  return { added: [...entered, ...left].map(elements), kept: [...own.keys()].filter((name) => !gone.has(name)) };
}

function isBorder(kernel: Kernel): boolean {
  return kernel.kind === "quantize" || kernel.kind === "dequantize";
}

function isPerm(perm: readonly number[] | undefined, wanted: readonly number[]): boolean {
  return perm !== undefined && perm.length === wanted.length && perm.every((axis, i) => axis === wanted[i]);
}

/** Kernels with channels last, and the indifferent ones between and next to them. */
function blocksOf(kernels: readonly Kernel[], whole: boolean): ReadonlySet<Kernel> {
  const readers = new Map<string, Kernel[]>();
  const makers = new Map<string, Kernel>();
  for (const kernel of kernels) {
    if (isBorder(kernel)) continue;
    for (const name of kernel.inputs) readers.set(name, [...(readers.get(name) ?? []), kernel]);
    for (const name of kernel.outputs) makers.set(name, kernel);
  }
  const open = kernels.filter((k) => CHANNELS_LAST.has(k.kind) && (whole || k.numbers !== "float32"));
  const blocks = new Set<Kernel>(open);
  for (let kernel = open.pop(); kernel !== undefined; kernel = open.pop()) {
    const near = [...kernel.inputs.flatMap((n) => makers.get(n) ?? []), ...kernel.outputs.flatMap((n) => readers.get(n) ?? [])];
    for (const next of near) {
      if (blocks.has(next) || !(INDIFFERENT.has(next.kind) || INDIFFERENT_OPS.has(next.op))) continue;
      blocks.add(next);
      open.push(next);
    }
  }
  return blocks;
}

function hasPlanes(type: unknown): boolean {
  const shape = (type as TensorType | undefined)?.shape;
  return shape !== undefined && shape.length >= 3;
}

function planeOf(type: TensorType | undefined): number {
  return type !== undefined && isStatic(type.shape) ? countOf(type.shape.slice(2)) : Number.POSITIVE_INFINITY;
}

function sizeOf(type: TensorType | undefined): number {
  return type?.kind === "tensor" && isStatic(type.shape) ? countOf(type.shape) : 0;
}
