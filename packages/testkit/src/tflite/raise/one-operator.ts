import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import type { BuiltinOperator } from "@tessera/core/formats/tflite/builtin-operators";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { makeOperatorCode } from "@tessera/core/formats/tflite/operator-code";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { Operator, TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { DType } from "@tessera/core/graph/dtype";
import type { Model } from "@tessera/core/graph/model";
import type { Tensor } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { describeTensor, difference, type Tolerance } from "../../compare-tensors.ts";
import type { TfliteRunner } from "../tflite-runner.ts";

/** An input of the operator: fed, or a constant of the file. `undefined` is an optional input left out. */
export type OperatorInput = { readonly tensor: Tensor; readonly isConstant?: boolean; readonly isVariable?: boolean } | undefined;

/** A file of one operator. */
export interface OneOperator {
  readonly op: BuiltinOperator;
  readonly version?: number;
  readonly options?: NonNullable<Operator["builtinOptions"]> | Readonly<{ kind: string }> | undefined;
  readonly inputs: readonly OperatorInput[];
  /** Element types of the outputs. */
  readonly outputs: readonly DType[];
}

const upper = (dtype: DType): keyof typeof TENSOR_TYPES => dtype.toUpperCase() as keyof typeof TENSOR_TYPES;

/** Name of input `i` of operator `k`. */
function inputName(k: number, i: number): string {
  return `in${k}_${i}`;
}

/** A file of operators that have nothing to do with each other, with sizes declared for their outputs, in order. */
export function fileOf(ones: readonly OneOperator[], shapes: readonly (readonly number[])[]): Uint8Array {
  const buffers: { data?: Uint8Array }[] = [{}];
  const tensors: NonNullable<NonNullable<TfliteDraft["subgraphs"]>[number]["tensors"]>[number][] = [];
  const codes: ReturnType<typeof makeOperatorCode>[] = [];
  const inputs: number[] = [];
  const outputs: number[] = [];
  const operators = ones.map((one, k) => {
    codes.push(makeOperatorCode(one.op, one.version ?? 1));
    const reads = one.inputs.map((input, i) => {
      if (input === undefined) return -1;
      const { tensor, isConstant = false, isVariable = false } = input;
      if (isConstant) buffers.push({ data: tensor.bytes });
      else if (!isVariable) inputs.push(tensors.length);
      const buffer = isConstant ? buffers.length - 1 : 0;
      const type = TENSOR_TYPES[upper(tensor.dtype)];
      return (
        tensors.push({ name: inputName(k, i), shape: Int32Array.from(tensor.shape), type, buffer, isVariable, hasRank: true }) - 1
      );
    });
    const makes = one.outputs.map((dtype, i) => {
      const shape = Int32Array.from(shapes[outputs.length] ?? []);
      outputs.push(tensors.length);
      return tensors.push({ name: `out${k}_${i}`, shape, type: TENSOR_TYPES[upper(dtype)], hasRank: true }) - 1;
    });
    return {
      opcodeIndex: k,
      inputs: Int32Array.from(reads),
      outputs: Int32Array.from(makes),
      ...(one.options === undefined ? {} : { builtinOptions: one.options as NonNullable<Operator["builtinOptions"]> }),
    };
  });
  const graph = { tensors, inputs: Int32Array.from(inputs), outputs: Int32Array.from(outputs), operators, name: "main" };
  return writeTflite({ operatorCodes: codes, subgraphs: [graph], buffers });
}

/** Moves axis `from` of a tensor to `to`, other axes in order. */
export function movedAxis(tensor: Tensor, from: number, to: number): Tensor {
  const rank = tensor.shape.length;
  const rest = Array.from({ length: rank }, (_, i) => i).filter((axis) => axis !== from);
  const perm = [...rest.slice(0, to), from, ...rest.slice(to)];
  const graph = {
    name: "t",
    inputs: [],
    outputs: [{ name: "y", type: { kind: "opaque", record: undefined } as const }],
    nodes: [
      {
        name: "t",
        op: "Transpose",
        domain: "",
        inputs: ["x"],
        outputs: ["y"],
        attributes: new Map([["perm", { kind: "ints", value: perm } as const]]),
      },
    ],
    constants: new Map([["x", tensor]]),
    types: new Map(),
  };
  return interpret(graph, new Map()).get("y") as Tensor;
}

/** What the raised model computes, in the layout of the file. */
export function runRaised(
  raised: { readonly model: Model; readonly moved: readonly string[] },
  feeds: ReadonlyMap<string, Tensor>,
): readonly Tensor[] {
  const { model, moved } = raised;
  const given = new Map(
    [...feeds].map(([name, tensor]) => [name, moved.includes(name) ? movedAxis(tensor, tensor.shape.length - 1, 1) : tensor]),
  );
  const made = interpret(model.graph, given);
  return model.graph.outputs.map(({ name }) => {
    const tensor = made.get(name) as Tensor;
    return moved.includes(name) ? movedAxis(tensor, 1, tensor.shape.length - 1) : tensor;
  });
}

/** How far floats may be apart: a few roundings of a sum. */
export const CLOSE: Tolerance = { relative: 1e-5, absolute: 1e-5 };

/** Real runtimes that can say what the file computes. */
export interface Judges {
  readonly tfjs?: TfliteRunner;
  readonly litert?: TfliteRunner;
}

/**
 * Raises a file of operators in both layouts, runs it with the interpreter, and compares with real runtimes. Answers what differs, or nothing.
 * Throws what the raise or a runtime throws.
 */
export async function judged(
  ones: readonly OneOperator[],
  judges: Judges,
  tolerance: Tolerance = CLOSE,
): Promise<string | undefined> {
  const feeds = new Map<string, Tensor>();
  ones.forEach((one, k) => {
    one.inputs.forEach((input, i) => {
      if (input !== undefined && input.isConstant !== true && input.isVariable !== true) feeds.set(inputName(k, i), input.tensor);
    });
  });
  const [keep, nchw] = (["keep", "nchw"] as const).map((inputLayout) =>
    runRaised(raiseTflite(readTflite(fileOf(ones, [])), { inputLayout }), feeds),
  ) as [readonly Tensor[], readonly Tensor[]];
  const places = ones.flatMap((one) => one.outputs.map((dtype, i) => ({ one, dtype, i })));
  const told = (k: number, why: string): string => {
    const { one, i } = places[k] as (typeof places)[number];
    const inputs = one.inputs.map((input) =>
      input === undefined
        ? "-"
        : input.isConstant
          ? describeTensor(input.tensor).slice(0, 80)
          : `${input.tensor.dtype}[${input.tensor.shape}]`,
    );
    return `${one.op} ${JSON.stringify(one.options ?? {})} of ${inputs.join("; ")}: output ${i} ${why}`;
  };
  for (const [k, tensor] of keep.entries()) {
    const apart = difference(nchw[k] as Tensor, tensor, { relative: 1e-5, absolute: 2e-6 });
    if (apart !== undefined) return told(k, `depends on the layout: ${apart}`);
    const { dtype } = places[k] as (typeof places)[number];
    if (tensor.dtype !== dtype) return told(k, `is ${tensor.dtype} instead of ${dtype}`);
  }
  const file = fileOf(
    ones,
    keep.map((t) => t.shape),
  );
  const given = [...feeds.values()];
  for (const [name, judge] of Object.entries(judges) as [string, TfliteRunner][]) {
    const real = await judge.run(file, (i) => (given[i] as Tensor).bytes);
    for (const [k, ours] of keep.entries()) {
      const theirs: Tensor = { dtype: ours.dtype, shape: ours.shape, bytes: real[k] as Uint8Array };
      if (theirs.bytes.length !== ours.bytes.length)
        return told(k, `is ${ours.dtype}[${ours.shape}], and ${name} makes ${theirs.bytes.length} bytes`);
      const apart = difference(ours, theirs, tolerance);
      if (apart !== undefined) return told(k, `[${ours.shape}] against ${name}: ${apart}`);
    }
  }
  return undefined;
}
