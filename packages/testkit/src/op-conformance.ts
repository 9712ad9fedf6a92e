import { isTesseraError } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Dim, Shape } from "@tessera/core/graph/dim";
import { type Model, type Node, type TensorType, tensorType } from "@tessera/core/graph/model";
import { makeNode, type NodeOptions } from "@tessera/core/graph/node";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { inferGraph } from "@tessera/core/ops/infer";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeTensor, difference, type Tolerance } from "./compare-tensors.ts";
import { evaluateDim } from "./evaluate-dim.ts";

/** One operator applied to given tensors. */
export interface OpCase {
  readonly op: string;
  readonly attributes?: NodeOptions["attributes"];
  /** By position; `undefined` for an absent optional input. */
  readonly inputs: readonly (Tensor | undefined)[];
  /** Positions of the inputs that are stored in the model, as exporters store axes and shapes; the others are fed. */
  readonly constant?: readonly number[];
  /** Names of the outputs by position, "" for one that is not wanted. One output unless given. */
  readonly outputs?: readonly string[];
  /** Opset to write; the lowest that has the operator's meaning unless given. */
  readonly opset?: number;
}

/** How an operator is compared with onnxruntime. */
export interface OpConformance {
  /** Name of the operator; the sentence of the row unless given. */
  readonly op?: string;
  readonly cases: fc.Arbitrary<OpCase>;
  /** Equal to the bit (apart from NaN payloads and the sign of zero) unless given. */
  readonly tolerance?: Tolerance;
  /** Number of generated cases. */
  readonly runs?: number;
}

function describeCase(c: OpCase): string {
  const attrs = c.attributes instanceof Map ? [...c.attributes] : Object.entries(c.attributes ?? {});
  const given = c.inputs.map(
    (t, i) => `${c.constant?.includes(i) ? "constant " : ""}${t === undefined ? "absent" : describeTensor(t)}`,
  );
  return `${c.op}(\n  ${given.join(",\n  ")}\n) {${attrs.map(([k, v]) => `${k}: ${JSON.stringify(v, (_, x) => (typeof x === "bigint" ? `${x}n` : x))}`).join(", ")}}`;
}

function nodeOf(c: OpCase): Node {
  const options: NodeOptions = c.attributes === undefined ? {} : { attributes: c.attributes };
  return makeNode(
    c.op,
    { inputs: c.inputs.map((t, i) => (t === undefined ? "" : `x${i}`)), outputs: c.outputs ?? ["y0"] },
    { name: "node", ...options },
  );
}

// The graph with one node. `shapeOf` gives the declared shape of each fed input.
function modelOf(c: OpCase, shapeOf: (t: Tensor, index: number) => Shape | undefined): Model {
  const constants = new Map<string, Tensor>();
  const inputs: { name: string; type: TensorType }[] = [];
  c.inputs.forEach((t, i) => {
    if (t === undefined) return;
    if (c.constant?.includes(i)) constants.set(`x${i}`, t);
    else inputs.push({ name: `x${i}`, type: tensorType(t.dtype, shapeOf(t, i)) });
  });
  const node = nodeOf(c);
  const graph = { name: "one", inputs, outputs: [], nodes: [node], constants, types: new Map() };
  const inferred = inferGraph(graph);
  // Where inference refuses the node, the interpreter and the runtime are still asked: both must refuse it too.
  const fallback = c.inputs.find((t) => t !== undefined)?.dtype ?? "float32";
  const outputs = node.outputs
    .filter((name) => name !== "")
    .map((name) => {
      const type = inferred.types.get(name);
      // The shape stays open, so that the runtime's own inference does not meet ours.
      return { name, type: tensorType(type?.kind === "tensor" ? type.dtype : fallback, undefined) };
    });
  return {
    kind: "model",
    graph: { ...graph, outputs },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "testkit", version: "0" },
  };
}

function symbolic(bindings: Map<string, number>, from: number): (t: Tensor, index: number) => Shape {
  return (t, index) =>
    t.shape.map((size, axis): Dim => {
      // A name stands for at least 1.
      if (size < from) return size;
      const name = `S${index}_${axis}`;
      bindings.set(name, size);
      return name;
    });
}

// Every size that inference claims must be the size that came out, also when the inputs have symbolic sizes.
function checkShapes(c: OpCase, actual: ReadonlyMap<string, Tensor>): string[] {
  const wrong: string[] = [];
  const bindings = new Map<string, number>();
  // Size 1 broadcasts where it is known; under a name inference must reckon with both.
  const kinds = [
    ["static", (t: Tensor) => t.shape],
    ["symbolic", symbolic(bindings, 2)],
    ["wholly symbolic", symbolic(bindings, 1)],
    ["rankless", () => undefined],
    ["half known", (t: Tensor, index: number) => (index === 0 ? t.shape : undefined)],
  ] as const;
  for (const [kind, shapeOf] of kinds) {
    const { graph } = modelOf(c, shapeOf);
    const { types, problems } = inferGraph(graph);
    if (problems.length > 0) wrong.push(`${kind} inference: ${problems.map((p) => p.error.message).join("; ")}`);
    for (const [name, tensor] of actual) {
      const type = types.get(name);
      if (type?.kind !== "tensor") {
        wrong.push(`${kind} inference knows nothing of ${name}`);
        continue;
      }
      if (type.dtype !== tensor.dtype) wrong.push(`${kind} inference says ${type.dtype}, it is ${tensor.dtype}`);
      const sizes = type.shape?.map((dim) => evaluateDim(dim, bindings));
      const fits =
        sizes === undefined ||
        (sizes.length === tensor.shape.length && sizes.every((size, i) => size === undefined || size === tensor.shape[i]));
      if (!fits) wrong.push(`${kind} inference says [${type.shape}], it is [${tensor.shape}]`);
    }
  }
  return wrong;
}

async function runReference(runtime: Runtime, model: Model, c: OpCase): Promise<ReadonlyMap<string, Tensor>> {
  const bytes = modelToOnnx(model, c.opset === undefined ? {} : { opset: c.opset });
  const session = await runtime.load(bytes, { optimization: "none" });
  try {
    return await session.run(feedsOf(c));
  } finally {
    await session.close();
  }
}

function feedsOf(c: OpCase): Map<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  c.inputs.forEach((t, i) => {
    if (t !== undefined && !c.constant?.includes(i)) feeds.set(`x${i}`, t);
  });
  return feeds;
}

let reference: Promise<Runtime> | undefined;

/**
 * Runs a case through the reference interpreter and through onnxruntime and compares values, element types and shapes, and what shape
 * inference says about them with static and with symbolic input sizes. A case that both refuse passes.
 *
 * @throws an Error that shows the case and what differs.
 */
export async function checkOp(c: OpCase, tolerance: Tolerance = {}): Promise<void> {
  reference ??= ortNodeRuntime({ worker: false });
  const runtime = await reference;
  const model = modelOf(c, (t) => t.shape);
  let expected: ReadonlyMap<string, Tensor> | undefined;
  let refusal: unknown;
  try {
    expected = await runReference(runtime, model, c);
  } catch (error) {
    refusal = error;
  }
  let ours: ReadonlyMap<string, Tensor>;
  try {
    ours = interpret(model.graph, feedsOf(c));
  } catch (error) {
    if (expected === undefined && isTesseraError(error)) return;
    throw new Error(`${describeCase(c)}\nthe interpreter refuses: ${error}\nonnxruntime: ${expected ? "runs it" : refusal}`, {
      cause: error,
    });
  }
  if (expected === undefined) throw new Error(`${describeCase(c)}\nonnxruntime refuses: ${refusal}\nthe interpreter runs it`);
  const wrong = checkShapes(c, expected);
  for (const [name, want] of expected) {
    const got = ours.get(name);
    const why = got === undefined ? "missing" : difference(got, want, tolerance);
    if (why !== undefined) wrong.push(`${name}: ${why}\n  ours ${got && describeTensor(got)}\n  theirs ${describeTensor(want)}`);
  }
  if (wrong.length > 0) throw new Error(`${describeCase(c)}\n${wrong.join("\n")}`);
}

/** Options of {@link opConformance}. */
export interface OpConformanceOptions {
  /** Names that must all be covered, usually the rows of a family. */
  readonly family: Readonly<Record<string, unknown>>;
  /** By sentence, usually the operator's name. */
  readonly rows: Readonly<Record<string, OpConformance>>;
  /** Operators that are not compared, with the reason. */
  readonly apart?: Readonly<Record<string, string>>;
}

/** Default number of generated cases of an operator. */
export const CONFORMANCE_RUNS = 40;

/**
 * Compares a family of operators with onnxruntime on generated cases, one test a row, and fails when an operator of the family has neither a
 * row nor a reason. Seeds are printed by fast-check on failure.
 *
 * @example
 * opConformance("unary operators", { family: UNARY, rows: { Abs: { cases: unary("Abs", ["float32", "int64"]) } } });
 */
export function opConformance(title: string, options: OpConformanceOptions): void {
  const { family, rows, apart = {} } = options;
  describe(title, () => {
    for (const [sentence, row] of Object.entries(rows)) {
      test(`${sentence} computes what onnxruntime computes`, async () => {
        const property = fc.asyncProperty(row.cases, (c) => checkOp(c, row.tolerance));
        await fc.assert(property, { numRuns: row.runs ?? CONFORMANCE_RUNS, seed: seedOf(sentence) });
      });
    }
    for (const [op, reason] of Object.entries(apart)) test.skip(`${op} (not compared: ${reason})`, () => undefined);
    test("every operator of the family is compared or set apart", () => {
      const covered = new Set([...Object.entries(rows).map(([sentence, row]) => row.op ?? sentence), ...Object.keys(apart)]);
      expect(Object.keys(family).filter((op) => !covered.has(op))).toEqual([]);
    });
  });
}

// A fixed seed per row: a red test is red for everybody. TESSERA_SEED picks others.
function seedOf(sentence: string): number {
  let seed = Number(process.env["TESSERA_SEED"] ?? 1);
  for (const char of sentence) seed = (Math.imul(seed, 31) + (char.codePointAt(0) ?? 0)) | 0;
  return seed;
}
