import { modelFromTflite, modelToTflite } from "@tessera/core/convert/tflite/bytes";
import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { PADDINGS } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { Tensor } from "@tessera/core/graph/tensor";
import { parseGraph } from "@tessera/core/graph/text-parse";
import { inferTypes } from "@tessera/core/ops/infer-types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { difference } from "../../compare-tensors.ts";
import { seededTensor } from "../../op-arbitraries.ts";
import { type ChainLink, chainFile } from "./chain.ts";
import { realRuntimes } from "./check.ts";
import { CLOSE, type OneOperator, runRaised } from "./one-operator.ts";
import { grid, held, list, spec } from "./specs.ts";

const runtimes = realRuntimes();

/** The value of the operator before. */
const BEFORE = "before";
type Link = ChainLink;

type Sizes = readonly [n: number, h: number, w: number, c: number];

/** An operator on [n, h, w, c] and the sizes that it leaves. */
interface Step {
  readonly name: string;
  readonly link: (shape: Sizes, seed: number) => { readonly link: Link; readonly shape: Sizes };
}

const step = (name: string, link: Step["link"]): Step => ({ name, link });
const same = (name: string, make: (shape: Sizes, seed: number) => Link): Step =>
  step(name, (shape, seed) => ({ link: make(shape, seed), shape }));
const linked = (op: OneOperator["op"], inputs: Link["inputs"], options?: OneOperator["options"]): Link => ({
  ...spec(op, [], options),
  inputs,
});

function conv(shape: Sizes, seed: number): Link {
  const channels = shape[3];
  return linked("CONV_2D", [BEFORE, held([channels, 1, 1, channels], seed), held([channels], seed + 1)], {
    kind: "Conv2DOptions",
    padding: PADDINGS.SAME,
    strideH: 1,
    strideW: 1,
  });
}

/** Everything that can stand between two convolutions without a Transpose. */
const STEPS: readonly Step[] = [
  same("RELU", () => linked("RELU", [BEFORE])),
  same("LOGISTIC", () => linked("LOGISTIC", [BEFORE])),
  same("MUL by channel", (shape, seed) => linked("MUL", [BEFORE, held([shape[3]], seed)], { kind: "MulOptions" })),
  same("ADD a picture", (shape, seed) => linked("ADD", [held(shape, seed), BEFORE], { kind: "AddOptions" })),
  same("SUB a plane", (shape, seed) => linked("SUB", [BEFORE, held([shape[1], shape[2], 1], seed)], { kind: "SubOptions" })),
  same("ADD to itself", () => linked("ADD", [BEFORE, BEFORE], { kind: "AddOptions" })),
  same("PRELU", (shape, seed) => linked("PRELU", [BEFORE, held([1, 1, shape[3]], seed)])),
  same("SOFTMAX", () => linked("SOFTMAX", [BEFORE], { kind: "SoftmaxOptions", beta: 1 })),
  same("L2_NORMALIZATION", () => linked("L2_NORMALIZATION", [BEFORE], { kind: "L2NormOptions" })),
  same("CUMSUM over channels", () =>
    linked(
      "CUMSUM",
      [BEFORE, { tensor: { dtype: "int32", shape: [], bytes: new Uint8Array(Int32Array.of(3).buffer) }, isConstant: true }],
      { kind: "CumsumOptions" },
    ),
  ),
  same("REVERSE of rows", () => linked("REVERSE_V2", [BEFORE, list([1])], { kind: "ReverseV2Options" })),
  same("GATHER of columns", (shape) =>
    linked("GATHER", [BEFORE, list(Array.from({ length: shape[2] }, (_, i) => shape[2] - 1 - i))], {
      kind: "GatherOptions",
      axis: 2,
    }),
  ),
  step("PAD of channels and columns", (shape) => ({
    link: linked("PAD", [BEFORE, grid([4, 2], [0, 0, 0, 0, 1, 0, 0, 2])], { kind: "PadOptions" }),
    shape: [shape[0], shape[1], shape[2] + 1, shape[3] + 2],
  })),
  step("MIRROR_PAD with the border", (shape) => ({
    link: linked("MIRROR_PAD", [BEFORE, grid([4, 2], [0, 0, 1, 1, 0, 1, 0, 0])], { kind: "MirrorPadOptions", mode: 1 }),
    shape: [shape[0], shape[1] + 2, shape[2] + 1, shape[3]],
  })),
  step("MEAN over space, kept", (shape) => ({
    link: linked("MEAN", [BEFORE, list([1, 2])], { kind: "ReducerOptions", keepDims: true }),
    shape: [shape[0], 1, 1, shape[3]],
  })),
  step("STRIDED_SLICE", (shape) => ({
    link: linked("STRIDED_SLICE", [BEFORE, list([0, 0, 0, 0]), list([0, 0, 0, 1]), list([1, 2, 1, 1])], {
      kind: "StridedSliceOptions",
      beginMask: 15,
      endMask: 7,
    }),
    shape: [shape[0], Math.ceil(shape[1] / 2), shape[2], 1],
  })),
  step("TILE of channels", (shape) => ({
    link: linked("TILE", [BEFORE, list([1, 1, 1, 2])], { kind: "TileOptions" }),
    shape: [shape[0], shape[1], shape[2], shape[3] * 2],
  })),
  step("CONCATENATION with a constant", (shape, seed) => ({
    link: linked("CONCATENATION", [BEFORE, held([...shape.slice(0, 3), 2], seed)], { kind: "ConcatenationOptions", axis: -1 }),
    shape: [shape[0], shape[1], shape[2], shape[3] + 2],
  })),
];

/** Steps that go through another rank and come back. */
const DETOURS: readonly { readonly name: string; readonly links: (shape: Sizes) => readonly Link[] }[] = [
  {
    name: "rows and columns in one axis and back",
    links: (shape) => [
      linked("RESHAPE", [BEFORE, list([shape[0], shape[1] * shape[2], shape[3]])], { kind: "ReshapeOptions" }),
      linked("TANH", [BEFORE]),
      linked("RESHAPE", [BEFORE, list(shape)], { kind: "ReshapeOptions" }),
    ],
  },
  {
    name: "the longest way round: TRANSPOSE to NCHW and back",
    links: () => [
      linked("TRANSPOSE", [BEFORE, list([0, 3, 1, 2])], { kind: "TransposeOptions" }),
      linked("TRANSPOSE", [BEFORE, list([0, 2, 3, 1])], { kind: "TransposeOptions" }),
    ],
  },
];

const seed = fc.integer({ min: 1, max: 2 ** 30 });

/** Runs the chain raised in both layouts and on tfjs-tflite; gives the number of Transposes that were left. */
async function transposesIn(links: readonly Link[], input: Tensor): Promise<number> {
  const file = chainFile(links, input);
  const feeds = new Map([["x", input]]);
  const keep = runRaised(raiseTflite(readTflite(file), { inputLayout: "keep" }), feeds);
  const raised = raiseTflite(readTflite(file));
  const nchw = runRaised(raised, feeds);
  const [theirs] = await runtimes.tfjs().run(file, () => input.bytes);
  const real: Tensor = { dtype: "float32", shape: (keep[0] as Tensor).shape, bytes: theirs as Uint8Array };
  expect(difference(keep[0] as Tensor, real, CLOSE)).toBeUndefined();
  expect(difference(nchw[0] as Tensor, real, CLOSE)).toBeUndefined();
  return raised.model.graph.nodes.filter((node) => node.op === "Transpose").length;
}

describe("layouts of raised networks", () => {
  it.each(STEPS.map((s) => [s.name, s] as const))("%s between convolutions needs no Transpose", async (_, { link }) => {
    const shape: Sizes = [1, 3, 4, 5];
    const made = link(shape, 7);
    const chain = [conv(shape, 3), made.link, conv(made.shape, 5)];
    expect(await transposesIn(chain, seededTensor("float32", shape, { seed: 2, min: -2, max: 2 }))).toBe(0);
  });

  it.each(DETOURS.map((d) => [d.name, d] as const))("%s needs no Transpose", async (_, { links }) => {
    const shape: Sizes = [2, 3, 4, 5];
    const chain = [conv(shape, 3), ...links(shape), conv(shape, 5)];
    expect(await transposesIn(chain, seededTensor("float32", shape, { seed: 2, min: -2, max: 2 }))).toBe(0);
  });

  it("any of them in any order need none", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 4 }), seed, async (steps, from) => {
        let shape: Sizes = [2, 4, 3, 2];
        const input = seededTensor("float32", shape, { seed: from, min: -2, max: 2 });
        const chain: Link[] = [conv(shape, from)];
        for (const [i, { link }] of steps.entries()) {
          const made = link(shape, from + i);
          shape = made.shape;
          chain.push(made.link);
        }
        chain.push(conv(shape, from + 9));
        expect(await transposesIn(chain, input)).toBe(0);
      }),
      { numRuns: 15, endOnFailure: true },
    ));

  it("a flattening before a product costs none, whatever element-wise stands between", async () => {
    const shape: Sizes = [2, 3, 4, 5];
    const chain = [
      conv(shape, 3),
      linked("RESHAPE", [BEFORE, list([2, 60])], { kind: "ReshapeOptions" }),
      linked("SUB", [BEFORE, held([60], 8)], { kind: "SubOptions" }),
      linked("RELU", [BEFORE]),
      linked("FULLY_CONNECTED", [BEFORE, held([7, 60], 9), held([7], 10)], { kind: "FullyConnectedOptions" }),
    ];
    expect(await transposesIn(chain, seededTensor("float32", shape, { seed: 2, min: -2, max: 2 }))).toBe(0);
  });

  it("a flattening that is read as it is costs one", async () => {
    const shape: Sizes = [2, 3, 4, 5];
    const chain = [conv(shape, 3), linked("RESHAPE", [BEFORE, list([2, 60])], { kind: "ReshapeOptions" })];
    expect(await transposesIn(chain, seededTensor("float32", shape, { seed: 2, min: -2, max: 2 }))).toBe(1);
  });

  it("means over space, positions and squeezes on the way out cost none", async () => {
    const shape: Sizes = [2, 3, 4, 5];
    const input = seededTensor("float32", shape, { seed: 2, min: -2, max: 2 });
    const mean = linked("MEAN", [BEFORE, list([1, 2])], { kind: "ReducerOptions" });
    expect(await transposesIn([conv(shape, 3), mean], input)).toBe(0);
    const kept = linked("MEAN", [BEFORE, list([1, 2])], { kind: "ReducerOptions", keepDims: true });
    expect(
      await transposesIn(
        [conv(shape, 3), kept, linked("SQUEEZE", [BEFORE], { kind: "SqueezeOptions", squeezeDims: Int32Array.of(1, 2) })],
        input,
      ),
    ).toBe(0);
    const channels = linked("REDUCE_MAX", [BEFORE, list([3])], { kind: "ReducerOptions" });
    expect(await transposesIn([conv(shape, 3), channels], input)).toBe(0);
  });

  it("space taken apart into batches and put together again is a dilation", async () => {
    const shape: Sizes = [1, 7, 6, 2];
    const input = seededTensor("float32", shape, { seed: 2, min: -2, max: 2 });
    const chain = [
      linked("SPACE_TO_BATCH_ND", [BEFORE, list([2, 3]), grid([2, 2], [2, 3, 3, 3])], { kind: "SpaceToBatchNDOptions" }),
      linked("CONV_2D", [BEFORE, held([4, 3, 3, 2], 4), held([4], 5)], {
        kind: "Conv2DOptions",
        padding: PADDINGS.VALID,
        strideH: 1,
        strideW: 1,
      }),
      linked("BATCH_TO_SPACE_ND", [BEFORE, list([2, 3]), grid([2, 2], [0, 1, 0, 0])], { kind: "BatchToSpaceNDOptions" }),
    ];
    expect(await transposesIn(chain, input)).toBe(0);
    const { model } = raiseTflite(readTflite(chainFile(chain, input)));
    expect(model.graph.nodes.map((node) => node.op)).toEqual(["Conv"]);
    expect(model.graph.nodes[0]?.attributes.get("dilations")).toEqual({ kind: "ints", value: [2, 3] });
  });
});

describe("a Transpose behind a convolution", () => {
  const weights = seededTensor("float32", [3, 2, 3, 3], { seed: 5 });

  it.each([
    ["before a flattening", "t = Transpose(r) {perm: [0, 2, 3, 1]}\ny = Reshape(t, s: i64[2] = [1, -1])"],
    ["at an output", "y = Identity(r)"],
  ])("%s stands behind the activation, not between the two", (_, tail) => {
    const graph = parseGraph(`x : f32[1, 2, 6, 6]\nc = Conv(x, w: f32[3, 2, 3, 3])\nr = Relu(c)\n${tail}\nreturn y`);
    const model = inferTypes({
      kind: "model",
      graph: { ...graph, constants: new Map([...graph.constants, ["w", weights]]) },
      domains: new Map(),
      metadata: new Map(),
      producer: { name: "", version: "" },
    });
    const raised = modelFromTflite(modelToTflite(model), { inputLayout: "keep" }).model;
    const relu = raised.graph.nodes.find((node) => node.op === "Relu");
    const maker = raised.graph.nodes.find((node) => node.outputs[0] === relu?.inputs[0]);
    expect(maker?.op).toBe("Conv");
    expect(raised.graph.outputs.map((output) => output.name)).toEqual(["y"]);
  });
});
