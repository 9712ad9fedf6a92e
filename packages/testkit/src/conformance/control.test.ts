import type { Graph, ValueInfo } from "@tessera/core/graph/model";
import { tensorType } from "@tessera/core/graph/model";
import { graphAttribute, makeNode } from "@tessera/core/graph/node";
import { f32, fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import { CONTROL } from "@tessera/core/ops/control";
import fc from "fast-check";
import { seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

function value(name: string, dtype: "float32" | "int64" | "bool", shape: readonly number[] | undefined): ValueInfo {
  return { name, type: tensorType(dtype, shape) };
}

function graph(
  name: string,
  parts: Pick<Graph, "inputs" | "outputs" | "nodes"> & { readonly constants?: ReadonlyMap<string, Tensor> },
): Graph {
  return { name, types: new Map(), constants: new Map(), ...parts };
}

/** Both branches read constants of their own; their shapes differ, so only the rank is known. */
function ifCase(): fc.Arbitrary<OpCase> {
  return fc
    .record({
      cond: fc.nat({ max: 1 }),
      sizes: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      seed: fc.nat(),
    })
    .map(({ cond, sizes, seed }) => {
      const branch = (name: string, size: number, op: string): Graph =>
        graph(name, {
          inputs: [],
          outputs: [value(`${name}_y`, "float32", undefined)],
          nodes: [makeNode(op, { inputs: [`${name}_c`], outputs: [`${name}_y`] })],
          constants: new Map([[`${name}_c`, seededTensor("float32", [size, 2], { seed })]]),
        });
      return {
        op: "If",
        inputs: [fromNumbers("bool", [], [cond])],
        attributes: {
          then_branch: graphAttribute(branch("t", sizes[0], "Neg")),
          else_branch: graphAttribute(branch("e", sizes[1], "Abs")),
        },
      };
    });
}

/** state = state * 0.5 + i; scan output: the state before. Ends when the trip count is reached or i + 1 < limit fails. */
function loopCase(): fc.Arbitrary<OpCase> {
  return fc
    .record({
      trips: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
      cond: fc.constantFrom(undefined, 0, 1),
      limit: fc.integer({ min: 1, max: 6 }),
      size: fc.integer({ min: 1, max: 3 }),
      seed: fc.nat(),
    })
    .filter(({ cond, trips }) => cond !== 0 || trips !== undefined)
    .map(({ trips, cond, limit, size, seed }) => {
      const body = graph("body", {
        inputs: [value("i", "int64", []), value("go", "bool", []), value("state", "float32", [size])],
        outputs: [value("more", "bool", []), value("next", "float32", [size]), value("seen", "float32", [size])],
        nodes: [
          makeNode("Cast", { inputs: ["i"], outputs: ["fi"] }, { attributes: { to: 1 } }),
          makeNode("Mul", { inputs: ["state", "half"], outputs: ["scaled"] }),
          makeNode("Add", { inputs: ["scaled", "fi"], outputs: ["next"] }),
          makeNode("Identity", { inputs: ["state"], outputs: ["seen"] }),
          makeNode("Add", { inputs: ["i", "one"], outputs: ["after"] }),
          makeNode("Less", { inputs: ["after", "limit"], outputs: ["more"] }),
        ],
        constants: new Map([
          ["half", f32([], [0.5])],
          ["one", i64([], [1])],
          ["limit", i64([], [limit])],
        ]),
      });
      return {
        op: "Loop",
        inputs: [
          trips === undefined ? undefined : i64([], [trips]),
          cond === undefined ? undefined : fromNumbers("bool", [], [cond]),
          seededTensor("float32", [size], { seed }),
        ],
        attributes: { body: graphAttribute(body) },
        outputs: ["y0", "y1"],
      };
    });
}

/** A running sum over one scan input and its doubled slices as a scan output, along any axis and in any direction. */
function scanCase(): fc.Arbitrary<OpCase> {
  return fc
    .record({
      shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 3 }),
      inAxis: fc.nat(),
      outAxis: fc.nat(),
      back: fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 1 })),
      seed: fc.nat(),
    })
    .map(({ shape, inAxis, outAxis, back, seed }) => {
      const rank = shape.length;
      const axis = inAxis % rank;
      const slice = shape.filter((_, i) => i !== axis);
      const body = graph("body", {
        inputs: [value("sum", "float32", slice), value("x", "float32", slice)],
        outputs: [value("next", "float32", slice), value("twice", "float32", slice)],
        nodes: [
          makeNode("Add", { inputs: ["sum", "x"], outputs: ["next"] }),
          makeNode("Add", { inputs: ["x", "x"], outputs: ["twice"] }),
        ],
      });
      return {
        op: "Scan",
        inputs: [seededTensor("float32", slice, { seed }), seededTensor("float32", shape, { seed: seed + 1 })],
        attributes: {
          body: graphAttribute(body),
          num_scan_inputs: 1,
          scan_input_axes: [inAxis % 2 === 0 ? axis : axis - rank],
          scan_output_axes: [outAxis % rank],
          scan_input_directions: [back[0]],
          scan_output_directions: [back[1]],
        },
        outputs: ["y0", "y1"],
      };
    });
}

opConformance("control flow", {
  family: CONTROL,
  rows: {
    If: { cases: ifCase() },
    Loop: { cases: loopCase(), tolerance: { ulps: 1 }, runs: 60 },
    Scan: { cases: scanCase(), tolerance: { ulps: 1 }, runs: 60 },
  },
});
