import { describe, expect, test } from "vitest";
import { TesseraError } from "../../base/error.ts";
import { TENSOR_TYPES } from "../../formats/tflite/enums.ts";
import { readTflite } from "../../formats/tflite/read.ts";
import { writeTflite } from "../../formats/tflite/write.ts";
import { type Model, tensorType } from "../../graph/model.ts";
import { makeNode } from "../../graph/node.ts";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { f32, i64, type Tensor } from "../../graph/tensor.ts";
import { parseGraph } from "../../graph/text-parse.ts";
import { modelToTflite } from "./bytes.ts";
import { lowerTflite } from "./lower.ts";
import type { LowerTfliteOptions } from "./options.ts";

function modelOf(text: string, constants: Readonly<Record<string, Tensor>> = {}): Model {
  const graph = parseGraph(text);
  return {
    kind: "model",
    graph: { ...graph, constants: new Map([...graph.constants, ...Object.entries(constants)]) },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  };
}

const image = (...nodes: ReturnType<typeof makeNode>[]): Model => ({
  kind: "model",
  graph: {
    name: "g",
    inputs: [{ name: "x", type: tensorType("float32", [1, 2, 4, 4]) }],
    outputs: [{ name: "y", type: tensorType("float32", undefined) }],
    nodes,
    constants: new Map(
      Object.entries({
        w: f32([3, 2, 1, 1], [1, 2, 3, 4, 5, 6]),
        b: f32([3], [1, 2, 3]),
        low: f32([], [0]),
        high: f32([], [6]),
        half: f32([], [0.5]),
        flat: i64([2], [1, 48]),
      }),
    ),
    types: new Map(),
  },
  domains: new Map(),
  metadata: new Map(),
  producer: { name: "", version: "" },
});

const node = (op: string, inputs: string, output: string, attributes = {}): ReturnType<typeof makeNode> =>
  makeNode(op, { inputs: inputs.split(" "), outputs: [output] }, { name: output, attributes });

function encoding(scale: number, zeroPoint = 0, dtype: Encoding["dtype"] = "int8"): Encoding {
  return { dtype, scale: [Math.fround(scale)], zeroPoint: [zeroPoint], reason: "test" };
}

function planOf(tensors: Readonly<Record<string, Encoding>>): QuantPlan {
  return { kind: "quant-plan", version: 1, target: "litert", tensors: new Map(Object.entries(tensors)), nodes: new Map() };
}

/** What a lowered model consists of, one operator a line. */
function listing(model: Model, options: LowerTfliteOptions = {}): string[] {
  const records = readTflite(writeTflite(lowerTflite(model, options).records));
  const graph = records.subgraphs?.[0];
  const types = Object.keys(TENSOR_TYPES);
  const say = (i: number): string => {
    const t = graph?.tensors?.[i];
    return t === undefined ? "-" : `${t.name} ${types[t.type]?.toLowerCase()}[${t.shape}]`;
  };
  return [...(graph?.operators ?? [])].map((op) => {
    const options = op.builtinOptions as { readonly fusedActivationFunction?: number } | undefined;
    const fused = options?.fusedActivationFunction ? ` +${options.fusedActivationFunction}` : "";
    return `${[...(op.outputs ?? [])].map(say).join(", ")} <- ${[...(op.inputs ?? [])].map(say).join(", ")}${fused}`;
  });
}

const CONV = node("Conv", "x w b", "c");
const CONV_PLAN = {
  x: encoding(0.1, 5),
  w: { ...encoding(0.05), scale: [0.05, 0.1, 0.05].map(Math.fround), zeroPoint: [0, 0, 0], axis: 0 },
};

describe("lowering to TFLite", () => {
  test("lays images out with channels last and takes an activation into the convolution", () => {
    const model = image(CONV, node("Clip", "c low high", "y"));
    expect(listing(model)).toEqual(["y float32[1,4,4,3] <- x float32[1,4,4,2], w float32[3,1,1,2], b float32[3] +3"]);
  });

  test("keeps inputs and outputs as they were when asked to, with a TRANSPOSE at each", () => {
    const { report } = lowerTflite(image(CONV, node("Relu", "c", "y")), { layout: "nchw" });
    expect(report.transposes.map((t) => [t.tensor, t.perm.join()])).toEqual([
      ["x", "0,2,3,1"],
      ["y", "0,3,1,2"],
    ]);
    expect(report.inputs).toEqual([{ name: "x", order: [0, 1, 2, 3] }]);
  });

  test("calls inputs and outputs by their names, in the order of the graph, and in the signature too", () => {
    const model = image(CONV, node("Relu", "c", "y"), node("Reshape", "y flat", "z"));
    const both = {
      ...model,
      graph: { ...model.graph, outputs: ["z", "y"].map((name) => ({ name, type: tensorType("float32", undefined) })) },
    };
    const records = readTflite(modelToTflite(both));
    const graph = records.subgraphs?.[0];
    const names = (list: ArrayLike<number> | undefined): (string | undefined)[] =>
      Array.from(list ?? [], (i) => graph?.tensors?.[i]?.name);
    expect(names(graph?.inputs)).toEqual(["x"]);
    expect(names(graph?.outputs)).toEqual(["z", "y"]);
    const signature = records.signatureDefs?.[0];
    expect(signature?.signatureKey).toBe("serving_default");
    expect(signature?.outputs?.map((o) => [o.name, o.tensorIndex])).toEqual([
      ["z", graph?.outputs?.[0]],
      ["y", graph?.outputs?.[1]],
    ]);
  });

  test("gives the same bytes again", () => {
    const model = image(CONV, node("Relu", "c", "y"));
    expect(modelToTflite(model)).toEqual(modelToTflite(model));
  });

  test("names every node that cannot be said, why, and what would help", () => {
    const model = modelOf("x: f32[1, 2, 4, 4]\nd = Det(x)\ny = Elu(d) {alpha: 0.5}\nreturn y");
    const strange = {
      ...model,
      graph: { ...model.graph, nodes: [node("Det", "x", "d"), node("NonMaxSuppression", "d d", "y")] },
    };
    let error: unknown;
    try {
      lowerTflite(strange);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(TesseraError);
    const { code, message } = error as TesseraError;
    expect(code).toBe("UNSUPPORTED_OP");
    expect(message).toContain("2 nodes");
    expect(message).toMatch(/d \(Det\): TFLite has no form[\s\S]*y \(NonMaxSuppression\): .*possible when you/);
  });

  test("fixes a symbolic batch to 1 and other sizes to what is given, or says which is missing", () => {
    const text = (dim: string): Model => modelOf(`x: f32[N, ${dim}]\ny = Relu(x)\nreturn y`);
    expect(listing(text("3"))).toEqual(["y float32[1,3] <- x float32[1,3]"]);
    expect(listing(text("L"), { dims: new Map([["L", 7]]) })).toEqual(["y float32[1,7] <- x float32[1,7]"]);
    expect(() => lowerTflite(text("L"))).toThrow(expect.objectContaining({ code: "DATA_MISSING" }));
  });
});

describe("lowering with a plan", () => {
  const model = image(CONV, node("Relu", "c", "y"));
  const plan = planOf({
    ...CONV_PLAN,
    b: {
      dtype: "int32",
      scale: CONV_PLAN.w.scale.map((s) => Math.fround(s * Math.fround(0.1))),
      zeroPoint: [0, 0, 0],
      axis: 0,
      reason: "",
    },
    y: encoding(0.2, -128),
  });

  test("makes integers between QUANTIZE and DEQUANTIZE", () => {
    expect(listing(model, { plan })).toEqual([
      "x_integer int8[1,4,4,2] <- x float32[1,4,4,2]",
      "y_1 int8[1,4,4,3] <- x_integer int8[1,4,4,2], w int8[3,1,1,2], b int32[3] +1",
      "y float32[1,4,4,3] <- y_1 int8[1,4,4,3]",
    ]);
    const { report } = lowerTflite(model, { plan });
    expect([report.borders, report.conversions, report.floatIslands]).toEqual([2, 0, []]);
  });

  test("leaves nothing but integers when inputs and outputs are integers too", () => {
    expect(listing(model, { plan, io: "integer" })).toEqual([
      "y int8[1,4,4,3] <- x int8[1,4,4,2], w int8[3,1,1,2], b int32[3] +1",
    ]);
  });

  test("moves the axis of weight scales with the weights", () => {
    const { records } = lowerTflite(model, { plan });
    const weight = records.subgraphs?.[0]?.tensors?.find((t) => t.name === "w");
    expect(weight?.quantization?.quantizedDimension).toBe(0);
    const depthwise = image(node("Conv", "x w b", "y", { group: 2 }));
    const constants = new Map(depthwise.graph.constants).set("w", f32([2, 1, 1, 1], [1, 2])).set("b", f32([2], [0, 0]));
    const two = { ...CONV_PLAN.w, scale: [0.05, 0.1].map(Math.fround), zeroPoint: [0, 0] };
    const { records: other } = lowerTflite(
      { ...depthwise, graph: { ...depthwise.graph, constants } },
      { plan: planOf({ x: CONV_PLAN.x, w: two, y: encoding(0.2) }) },
    );
    const moved = other.subgraphs?.[0]?.tensors?.find((t) => t.name === "w");
    expect([[...(moved?.shape ?? [])], moved?.quantization?.quantizedDimension]).toEqual([[1, 1, 1, 2], 3]);
  });

  test("drops a bound that the integers saturate at, and keeps one that they do not", () => {
    const clipped = image(CONV, node("Clip", "c low half", "y"));
    const at = (scale: number): QuantPlan => planOf({ ...Object.fromEntries(plan.tensors), y: encoding(scale, -128) });
    expect(lowerTflite(clipped, { plan: at(0.5 / 255) }).report.operators.get("CONV_2D")).toBe(1);
    expect(lowerTflite(clipped, { plan: at(0.5 / 255) }).report.operators.has("MINIMUM")).toBe(false);
    const { report } = lowerTflite(clipped, { plan: at(0.01) });
    expect(report.operators.get("MINIMUM")).toBe(1);
    expect(report.floatIslands.map((i) => i.op)).toEqual(["Conv", "Clip"]);
  });

  test("refuses a plan that gives a pool two grids", () => {
    const pooled = image(CONV, node("MaxPool", "c", "y", { kernel_shape: [2, 2] }));
    const two = planOf({ ...Object.fromEntries(plan.tensors), c: encoding(0.1), y: encoding(0.2) });
    expect(() => lowerTflite(pooled, { plan: two })).toThrow(expect.objectContaining({ code: "TARGET_RULE" }));
  });
});
