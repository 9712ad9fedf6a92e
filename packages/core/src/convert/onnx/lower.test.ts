import { describe, expect, test } from "vitest";
import { readOnnx } from "../../formats/onnx/read.ts";
import type { ModelProto } from "../../formats/onnx/records.ts";
import { writeOnnx } from "../../formats/onnx/write.ts";
import { type Model, type Node, tensorType } from "../../graph/model.ts";
import { float, makeNode } from "../../graph/node.ts";
import { f32, fromNumbers, type Tensor } from "../../graph/tensor.ts";
import { modelFromOnnx, modelToOnnx } from "./bytes.ts";
import { lowerOnnx } from "./lower.ts";
import { raiseOnnx } from "./raise.ts";

function built(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>> = {}, source?: Model["source"]): Model {
  return {
    kind: "model",
    graph: {
      name: "g",
      inputs: [{ name: "x", type: tensorType("float32", ["N", 4]) }],
      outputs: [{ name: "y", type: tensorType("float32", undefined) }],
      nodes,
      constants: new Map(Object.entries(constants)),
      types: new Map([["inner", tensorType("float32", ["N", "?"])]]),
    },
    domains: new Map(),
    metadata: new Map([
      ["b", "2"],
      ["a", "1"],
    ]),
    producer: { name: "test", version: "" },
    ...(source === undefined ? {} : { source }),
  };
}
const relu = makeNode("Relu", { inputs: ["x"], outputs: ["y"] });
const opsetOf = (record: ModelProto) => record.opsetImport?.[0]?.version;

describe("lowering", () => {
  test("writes opset 21 with IR 10 under our name, and the model as it is", () => {
    const record = lowerOnnx(
      built(
        [
          makeNode("Relu", { inputs: ["x"], outputs: ["inner"] }),
          makeNode("Clip", { inputs: ["inner", "", "c"], outputs: ["y"] }),
        ],
        { c: f32([], [6]) },
      ),
    );
    expect(record).toMatchObject({ irVersion: 10, opsetImport: [{ version: 21 }], producerName: "tessera" });
    expect(record.graph?.node?.map((n) => [n.opType, n.input, n.output])).toEqual([
      ["Relu", ["x"], ["inner"]],
      ["Clip", ["inner", "", "c"], ["y"]],
    ]);
    expect(record.graph?.valueInfo).toEqual([
      { name: "inner", type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: "N" }, {}] } } } },
    ]);
    expect(record.graph?.output).toEqual([{ name: "y", type: { tensorType: { elemType: 1 } } }]);
  });

  test("names a graph that has no name, since the format wants one", () => {
    const model = built([relu]);
    expect(lowerOnnx({ ...model, graph: { ...model.graph, name: "" } }).graph?.name).toBe("graph");
    expect(lowerOnnx(model).graph?.name).toBe("g");
  });

  test("gives the same bytes for the same model, maps in their order", () => {
    expect(modelToOnnx(built([relu]))).toEqual(modelToOnnx(built([relu])));
    expect(lowerOnnx(built([relu])).metadataProps?.map((e) => e.key)).toEqual(["b", "a"]);
  });

  test("takes the opset that operators, their later attributes and element types need", () => {
    const one = (op: string, attributes = {}) => built([makeNode(op, { inputs: ["x"], outputs: ["y"] }, { attributes })]);
    expect(opsetOf(lowerOnnx(one("Swish")))).toBe(24);
    expect(opsetOf(lowerOnnx(one("Cast", { to: 1 })))).toBe(21);
    expect(opsetOf(lowerOnnx(one("Cast", { to: 1, round_mode: "down" })))).toBe(24);
    expect(opsetOf(lowerOnnx(one("Cast", { to: 25 })))).toBe(25);
    expect(opsetOf(lowerOnnx(one("SpaceToDepth", { blocksize: 2, mode: "CRD" })))).toBe(28);
    expect(opsetOf(lowerOnnx(built([relu], { c: fromNumbers("uint2", [4], [0, 1, 2, 3]) })))).toBe(25);
    expect(lowerOnnx(one("Swish")).irVersion).toBe(12);
  });

  test("asks for opset 22 where bfloat16 meets an operator that takes it only since then", () => {
    const c = fromNumbers("bfloat16", [2], [1, 2]);
    const conv = makeNode("Elu", { inputs: ["c"], outputs: ["y"] }, { attributes: { alpha: float(1) } });
    const add = makeNode("Add", { inputs: ["c", "c"], outputs: ["y"] });
    const source = { format: "onnx", opset: 22 } as const;
    expect(opsetOf(lowerOnnx(built([conv], { c }, source)))).toBe(22);
    expect(opsetOf(lowerOnnx(built([add], { c }, source)))).toBe(21);
  });

  test("in an asked opset that cannot say the model is refused", () => {
    expect(opsetOf(lowerOnnx(built([relu]), { opset: 23 }))).toBe(23);
    for (const opset of [20, 29, 21.5])
      expect(() => lowerOnnx(built([relu]), { opset })).toThrow(expect.objectContaining({ code: "UNSUPPORTED_OPSET" }));
    const swish = built([makeNode("Swish", { inputs: ["x"], outputs: ["y"] })]);
    expect(() => lowerOnnx(swish, { opset: 21 })).toThrow(expect.objectContaining({ code: "UNSUPPORTED_OPSET" }));
  });

  test("imports domains that only a pass brought in", () => {
    const model = built([makeNode("QGelu", { inputs: ["x"], outputs: ["y"] }, { domain: "com.microsoft" })]);
    expect(lowerOnnx(model).opsetImport).toEqual([
      { domain: "", version: 21 },
      { domain: "com.microsoft", version: 1 },
    ]);
  });
});

describe("what raising carries", () => {
  const remark = { docString: "why", metadataProps: [{ key: "k", value: "v" }] };
  const record: ModelProto = {
    irVersion: 11,
    opsetImport: [{ version: 21 }],
    domain: "org.example",
    modelVersion: 7,
    docString: "model",
    metadataProps: [{ key: "license", value: "MIT" }],
    configuration: [{ name: "two", numDevices: 2 }],
    trainingInfo: [{ updateBinding: [{ key: "w", value: "w1" }] }],
    graph: {
      name: "g",
      docString: "graph",
      metadataProps: remark.metadataProps,
      quantizationAnnotation: [{ tensorName: "x", quantParameterTensorNames: [{ key: "SCALE_TENSOR", value: "s" }] }],
      input: [{ name: "x", type: { tensorType: { elemType: 1 }, denotation: "IMAGE" }, ...remark }],
      output: [{ name: "y", type: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } } }],
      initializer: [{ name: "c", dims: [1], dataType: 1, rawData: new Uint8Array(4), ...remark }],
      node: [
        {
          name: "n",
          opType: "SequenceConstruct",
          input: ["x", "c"],
          output: ["y"],
          ...remark,
          overload: "o",
          deviceConfigurations: [{ configurationId: "two", pipelineStage: 1 }],
        },
      ],
    },
  };

  test("is written back: remarks, metadata, annotations, devices, training, opaque types", () => {
    const { irVersion: _i, opsetImport: _o, graph, ...model } = record;
    const lowered = lowerOnnx(raiseOnnx(record));
    expect(lowered).toMatchObject(model);
    const { node, ...rest } = graph ?? {};
    expect(lowered.graph).toMatchObject(rest);
    expect(lowered.graph?.node?.[0]).toMatchObject(node?.[0] ?? {});
  });

  test("includes fields that no table knows", () => {
    const unknown = [Uint8Array.of(0xa0, 0x38, 0x05)];
    const { graph = {} } = record;
    const strange: ModelProto = {
      ...record,
      unknown,
      graph: { ...graph, unknown, node: (graph.node ?? []).map((n) => ({ ...n, unknown })) },
    };
    const back = readOnnx(modelToOnnx(modelFromOnnx(writeOnnx(strange))));
    expect(back.unknown).toEqual(unknown);
    expect(back.graph?.unknown).toEqual(unknown);
    expect(back.graph?.node?.[0]?.unknown).toEqual(unknown);
  });
});
