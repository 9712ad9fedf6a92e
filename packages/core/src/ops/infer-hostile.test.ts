import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTesseraError } from "../base/error.ts";
import type { Dim, Shape } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import { type Attribute, type Graph, type Node, tensorType } from "../graph/model.ts";
import { f32, i64, type Tensor } from "../graph/tensor.ts";
import { inferGraph } from "./infer.ts";
import { OPS, type OpName } from "./table.ts";

const dim: fc.Arbitrary<Dim> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 6 }) },
  { weight: 2, arbitrary: fc.constantFrom("N", "2*N", "N - 1", "?") },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 31, 2 ** 53 - 1, -1) },
);
const shape: fc.Arbitrary<Shape | undefined> = fc.option(fc.array(dim, { maxLength: 6 }), { nil: undefined });
const dtype = fc.constantFrom<DType>("float32", "int64", "bool", "string", "int8", "int4");
const int = fc.oneof(fc.integer({ min: -8, max: 8 }), fc.constantFrom(2 ** 31, -(2 ** 53 - 1), 2 ** 53 - 1));
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  int.map((value) => ({ kind: "int", value }) as const),
  fc.array(int, { maxLength: 6 }).map((value) => ({ kind: "ints", value }) as const),
  fc.double().map((value) => ({ kind: "float", value }) as const),
  fc.constantFrom("", "SAME_UPPER", "linear", "__proto__", "ij,jk->ik").map((value) => ({ kind: "string", value }) as const),
  fc.constant({ kind: "tensor", value: f32([1], [1]) } as const),
);
const constant: fc.Arbitrary<Tensor> = fc.oneof(
  fc.array(int, { maxLength: 6 }).map((v) => i64([v.length], v)),
  int.map((v) => i64([], [v])),
  fc.array(fc.double({ noDefaultInfinity: false }), { maxLength: 4 }).map((v) => f32([v.length], v)),
);

/** A node of `op` with attributes of its own names and any kind, and inputs of any type, some of them constants. */
function hostile(op: OpName): fc.Arbitrary<Graph> {
  const names = Object.keys(OPS[op].attributes).filter(
    (name) => OPS[op].attributes[name as never]?.["kind" as never] !== "graph",
  );
  const attributes = fc.tuple(...names.map(() => fc.option(attribute, { nil: undefined })));
  const input = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(dtype, shape) },
    { weight: 2, arbitrary: constant },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
  return fc
    .tuple(attributes, fc.array(input, { maxLength: 7 }), fc.integer({ min: 0, max: 4 }))
    .map(([values, inputs, outputs]) => {
      const constants = new Map<string, Tensor>();
      const declared: Graph["inputs"][number][] = [];
      inputs.forEach((entry, i) => {
        if (entry === undefined) return;
        if (Array.isArray(entry)) declared.push({ name: `x${i}`, type: tensorType(...(entry as [DType, Shape | undefined])) });
        else constants.set(`x${i}`, entry as Tensor);
      });
      const node: Node = {
        name: "node",
        op,
        domain: "",
        inputs: inputs.map((entry, i) => (entry === undefined ? "" : `x${i}`)),
        outputs: Array.from({ length: outputs }, (_, i) => `y${i}`),
        attributes: new Map(values.flatMap((value, i) => (value === undefined ? [] : [[names[i] as string, value] as const]))),
      };
      return { name: "g", inputs: declared, outputs: [], nodes: [node], constants, types: new Map() };
    });
}

describe("inference of nodes that make no sense", () => {
  test.each(Object.keys(OPS) as OpName[])("%s: every problem is one of ours, and soon found", (op) => {
    const property = fc.property(hostile(op), (graph) => {
      const { problems } = inferGraph(graph);
      for (const { error } of problems) if (!isTesseraError(error)) throw new Error(`${op}: ${error.stack}`);
      expect(problems.length).toBeLessThan(40);
    });
    fc.assert(property, { numRuns: 60, seed: 7 });
  });
});
