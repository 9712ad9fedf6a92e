import { seededRandom } from "@tessera/core/base/random";
import { type Model, type Node, tensorType } from "@tessera/core/graph/model";
import { makeNode, type NodeOptions } from "@tessera/core/graph/node";
import { countOf, i64, type Tensor } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import fc from "fast-check";
import { seededTensor } from "../../op-arbitraries.ts";

/** One step of a random graph: which kind of node, which earlier value it reads (counted from the last), and a seed for the rest. */
interface Step {
  readonly kind: string;
  readonly back: number;
  readonly other: number;
  readonly seed: number;
}

const KINDS = [
  ...[
    "Conv",
    "Conv",
    "Conv",
    "DepthwiseConv",
    "MaxPool",
    "AveragePool",
    "Relu",
    "PRelu",
    "Add",
    "Add",
    "AddChannel",
    "MulPooled",
  ],
  ...[
    "Concat",
    "Concat",
    "Transpose",
    "Transpose",
    "Transpose",
    "Merge",
    "Split",
    "Softmax",
    "MatMul",
    "Dense",
    "ReduceMean",
    "Pad",
  ],
  ...["Slice", "Sigmoid"],
];

/** A recipe for {@link randomGraph}. */
export interface GraphRecipe {
  readonly steps: readonly Step[];
  readonly size: readonly number[];
  readonly outputs: readonly number[];
}

/** Recipes of graphs in which operators of every layout follow each other. */
export const arbRecipe: fc.Arbitrary<GraphRecipe> = fc.record({
  steps: fc.array(fc.record({ kind: fc.constantFrom(...KINDS), back: fc.nat(2), other: fc.nat(4), seed: fc.nat(1e6) }), {
    minLength: 2,
    maxLength: 12,
  }),
  size: fc.constantFrom([1, 3, 8, 6], [1, 4, 4, 4], [2, 2, 5, 7], [1, 1, 6, 9]),
  outputs: fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }),
});

/** Largest number of elements that a step may make of a value. */
const MOST = 4000;

/** The graph of a recipe; steps that do not fit the shape of what they read are left out. */
export function randomGraph(recipe: GraphRecipe): Model {
  const constants = new Map<string, Tensor>();
  const nodes: Node[] = [];
  const values: { readonly name: string; readonly shape: readonly number[] }[] = [{ name: "x", shape: recipe.size }];
  recipe.steps.forEach((step, i) => {
    const random = seededRandom(step.seed);
    const from = values[Math.max(0, values.length - 1 - step.back)] as (typeof values)[number];
    const { shape } = from;
    const rank = shape.length;
    const channels = shape[1] ?? 1;
    const constant = (hint: string, tensor: Tensor): string => {
      constants.set(`${hint}${i}`, tensor);
      return `${hint}${i}`;
    };
    const noise = (hint: string, ...own: number[]): string =>
      constant(hint, seededTensor("float32", own, { seed: step.seed, min: -1, max: 1 }));
    const put = (
      op: string,
      inputs: readonly string[],
      made: readonly number[],
      attributes: NodeOptions["attributes"] = {},
    ): void => {
      if (countOf(made) > MOST) return;
      nodes.push(makeNode(op, { inputs, outputs: [`v${i}`] }, { name: `${op}${i}`, attributes }));
      values.push({ name: `v${i}`, shape: made });
    };
    const image = rank === 4 && (shape[2] as number) >= 3 && (shape[3] as number) >= 3;
    switch (step.kind) {
      case "Conv":
        if (image) {
          const made = 1 + random.int(4);
          const stride = 1 + random.int(2);
          const sizes = shape.slice(2).map((n) => Math.floor((n - 1) / stride) + 1);
          const attributes = { pads: [1, 1, 1, 1], strides: [stride, stride] };
          put(
            "Conv",
            [from.name, noise("w", made, channels, 3, 3), noise("b", made)],
            [shape[0] as number, made, ...sizes],
            attributes,
          );
        }
        break;
      case "DepthwiseConv":
        if (image) put("Conv", [from.name, noise("w", channels, 1, 3, 3)], shape, { group: channels, pads: [1, 1, 1, 1] });
        break;
      case "MaxPool":
      case "AveragePool":
        if (image)
          put(step.kind, [from.name], [...shape.slice(0, 2), ...shape.slice(2).map((n) => Math.floor(n / 2))], {
            kernel_shape: [2, 2],
            strides: [2, 2],
          });
        break;
      case "Relu":
      case "Sigmoid":
        put(step.kind, [from.name], shape);
        break;
      case "PRelu":
        if (rank >= 2) put("PRelu", [from.name, noise("s", channels, ...shape.slice(2).map(() => 1))], shape);
        break;
      case "Add": {
        const same = values.filter((v) => v.shape.join() === shape.join());
        put("Add", [from.name, (same[step.other % same.length] as (typeof values)[number]).name], shape);
        break;
      }
      case "AddChannel":
        if (rank >= 2) put("Add", [noise("k", channels, ...shape.slice(2).map(() => 1)), from.name], shape);
        break;
      case "MulPooled":
        if (rank === 4) {
          nodes.push(makeNode("GlobalAveragePool", { inputs: [from.name], outputs: [`p${i}`] }));
          put("Mul", [from.name, `p${i}`], shape);
        }
        break;
      case "Concat": {
        const axis = random.int(rank);
        const fits = values.filter((v) => v.shape.length === rank && v.shape.every((n, k) => k === axis || n === shape[k]));
        const other = fits[step.other % fits.length] as (typeof values)[number];
        const made = shape.map((n, k) => (k === axis ? n + (other.shape[k] as number) : n));
        put("Concat", [from.name, other.name], made, { axis });
        break;
      }
      case "Transpose": {
        const known =
          rank === 4
            ? [
                [0, 2, 3, 1],
                [0, 3, 1, 2],
                [0, 2, 1, 3],
              ]
            : rank === 3
              ? [
                  [0, 2, 1],
                  [0, 2, 1],
                  [1, 0, 2],
                ]
              : [];
        const perm = known[random.int(3)];
        if (perm !== undefined)
          put(
            "Transpose",
            [from.name],
            perm.map((axis) => shape[axis] as number),
            { perm },
          );
        break;
      }
      case "Merge":
        if (rank >= 3) {
          const made = [...shape.slice(0, -2), (shape[rank - 2] as number) * (shape[rank - 1] as number)];
          put("Reshape", [from.name, constant("r", i64([made.length], made))], made);
        }
        break;
      case "Split":
        if (rank === 3 && (shape[2] as number) % 2 === 0) {
          const made = [shape[0] as number, shape[1] as number, 2, (shape[2] as number) / 2];
          put("Reshape", [from.name, constant("r", i64([4], made))], made);
        }
        break;
      case "Softmax":
        put("Softmax", [from.name], shape, { axis: random.int(rank) });
        break;
      case "MatMul":
        if (rank >= 2) put("MatMul", [from.name, noise("m", shape[rank - 1] as number, 3)], [...shape.slice(0, -1), 3]);
        break;
      case "Dense":
        if (rank >= 3) {
          const flat = [shape[0] as number, countOf(shape.slice(1))];
          nodes.push(makeNode("Flatten", { inputs: [from.name], outputs: [`f${i}`] }, { attributes: { axis: 1 } }));
          if (step.seed % 2) {
            nodes.push(makeNode("Sub", { inputs: [`f${i}`, noise("k", flat[1] as number)], outputs: [`g${i}`] }));
            nodes.push(makeNode("Relu", { inputs: [`g${i}`], outputs: [`h${i}`] }));
          }
          put(
            "Gemm",
            [`${step.seed % 2 ? "h" : "f"}${i}`, noise("m", 5, flat[1] as number), noise("b", 5)],
            [flat[0] as number, 5],
            { transB: 1 },
          );
        }
        break;
      case "ReduceMean": {
        const axis = rank - 1 - random.int(Math.max(1, rank - 1));
        const keepdims = random.int(2);
        const made = keepdims ? shape.map((n, k) => (k === axis ? 1 : n)) : shape.filter((_, k) => k !== axis);
        if (rank > 1) put("ReduceMean", [from.name, constant("a", i64([1], [axis]))], made, { keepdims });
        break;
      }
      case "Pad":
        if (rank === 4)
          put(
            "Pad",
            [from.name, constant("c", i64([8], [0, 0, 1, 0, 0, 0, 1, 2]))],
            [...shape.slice(0, 2), (shape[2] as number) + 2, (shape[3] as number) + 2],
          );
        break;
      case "Slice": {
        const axis = random.int(rank);
        if ((shape[axis] as number) < 2) break;
        const inputs = [from.name, ...[1, 100, axis].map((n, k) => constant(`n${k}_`, i64([1], [n])))];
        put(
          "Slice",
          inputs,
          shape.map((n, k) => (k === axis ? n - 1 : n)),
        );
        break;
      }
    }
  });
  const names = new Set(
    recipe.outputs.map((back) => (values[Math.max(1, values.length - 1 - back)] ?? values.at(-1))?.name as string),
  );
  names.delete("x");
  const outputs = [...names].map((name) => ({ name, type: tensorType("float32", undefined) }));
  return inferTypes({
    kind: "model",
    graph: {
      name: "random",
      inputs: [{ name: "x", type: tensorType("float32", recipe.size) }],
      outputs,
      nodes,
      constants,
      types: new Map(),
    },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "testkit", version: "0" },
  });
}
