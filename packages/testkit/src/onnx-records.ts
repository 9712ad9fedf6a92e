import { ATTRIBUTE_TYPES, DATA_LOCATIONS, DATA_TYPES } from "@tessera/core/formats/onnx/data-type";
import type { AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto } from "@tessera/core/formats/onnx/records";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function value(name: string, dims: readonly (number | string)[]): ValueInfoProto {
  const dim = dims.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: DATA_TYPES.FLOAT.code, shape: dim.length === 0 ? {} : { dim } } } };
}

function rawFloats(name: string, dims: readonly number[]): TensorProto {
  const values = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i + 1));
  return { name, dims, dataType: DATA_TYPES.FLOAT.code, rawData: new Uint8Array(values.buffer) };
}

/** A graph of its own, as a branch of an If. */
function branch(name: string): GraphProto {
  return { name, node: [{ opType: "Identity", input: ["r"], output: [`${name}_out`] }], output: [value(`${name}_out`, [1, 4])] };
}

/** A small valid model: Conv, Relu, Clip, If with two branches, Gemm; f32[N, 3, 8, 8] to f32[N, 4]. */
export function smallOnnxModel(): ModelProto {
  const ints = (name: string, list: readonly number[]): AttributeProto => ({ name, ints: list, type: ATTRIBUTE_TYPES.INTS });
  return {
    irVersion: 8,
    producerName: "tessera",
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "small",
      node: [
        {
          input: ["x", "w", "b"],
          output: ["c"],
          name: "conv",
          opType: "Conv",
          attribute: [ints("kernel_shape", [3, 3]), ints("pads", [1, 1, 1, 1])],
        },
        { input: ["c"], output: ["r0"], name: "relu", opType: "Relu" },
        { input: ["r0", "", "six"], output: ["r1"], name: "clip", opType: "Clip" },
        { input: ["r1"], output: ["g"], name: "pool", opType: "GlobalAveragePool" },
        {
          input: ["g"],
          output: ["r"],
          name: "flat",
          opType: "Flatten",
          attribute: [{ name: "axis", i: 1, type: ATTRIBUTE_TYPES.INT }],
        },
        {
          input: ["flag"],
          output: ["y"],
          name: "choose",
          opType: "If",
          attribute: [
            { name: "then_branch", g: branch("then"), type: ATTRIBUTE_TYPES.GRAPH },
            { name: "else_branch", g: branch("else"), type: ATTRIBUTE_TYPES.GRAPH },
          ],
        },
      ],
      initializer: [
        rawFloats("w", [4, 3, 3, 3]),
        { name: "b", dims: [4], dataType: DATA_TYPES.FLOAT.code, floatData: Float32Array.of(0.5, -0.5, 0, 1) },
        { name: "six", dataType: DATA_TYPES.FLOAT.code, floatData: Float32Array.of(6) },
        { name: "flag", dataType: DATA_TYPES.BOOL.code, int32Data: Int32Array.of(1) },
      ],
      input: [value("x", ["N", 3, 8, 8])],
      output: [value("y", ["N", 4])],
    },
  };
}

/** A record that uses what real files rarely do: functions, sparse and string tensors, training, every attribute and type kind, external data. */
export function exoticOnnxModel(): ModelProto {
  const small = smallOnnxModel();
  const sparse = {
    values: { dims: [2], dataType: DATA_TYPES.FLOAT.code, floatData: Float32Array.of(1, 2) },
    indices: { dims: [2], dataType: DATA_TYPES.INT64.code, int64Data: BigInt64Array.of(3n, -(2n ** 62n)) },
    dims: [2, 8],
  };
  const everyKind: AttributeProto[] = [
    { name: "f", f: -0, type: ATTRIBUTE_TYPES.FLOAT },
    { name: "i", i: -(2n ** 63n), type: ATTRIBUTE_TYPES.INT },
    { name: "s", s: utf8("naïve 𝄞"), type: ATTRIBUTE_TYPES.STRING },
    {
      name: "t",
      t: { dims: [1], dataType: DATA_TYPES.DOUBLE.code, doubleData: Float64Array.of(Math.PI) },
      type: ATTRIBUTE_TYPES.TENSOR,
    },
    { name: "floats", floats: Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY), type: ATTRIBUTE_TYPES.FLOATS },
    { name: "ints", ints: [0, -1, Number.MAX_SAFE_INTEGER, 2n ** 62n], type: ATTRIBUTE_TYPES.INTS },
    { name: "strings", strings: [utf8(""), Uint8Array.of(0xff, 0xfe)], type: ATTRIBUTE_TYPES.STRINGS },
    {
      name: "tensors",
      tensors: [{ dataType: DATA_TYPES.STRING.code, dims: [1], stringData: [utf8("text")] }],
      type: ATTRIBUTE_TYPES.TENSORS,
    },
    { name: "graphs", graphs: [branch("a"), branch("b")], type: ATTRIBUTE_TYPES.GRAPHS },
    { name: "sparse", sparseTensor: sparse, type: ATTRIBUTE_TYPES.SPARSE_TENSOR },
    { name: "sparses", sparseTensors: [sparse], type: ATTRIBUTE_TYPES.SPARSE_TENSORS },
    {
      name: "tp",
      tp: { optionalType: { elemType: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } } } },
      type: ATTRIBUTE_TYPES.TYPE_PROTO,
    },
    {
      name: "tps",
      typeProtos: [{ mapType: { keyType: 7, valueType: { opaqueType: { domain: "d", name: "n" } } } }],
      type: ATTRIBUTE_TYPES.TYPE_PROTOS,
    },
    { name: "ref", refAttrName: "alpha", docString: "", type: ATTRIBUTE_TYPES.FLOAT },
  ];
  return {
    ...small,
    irVersion: 13,
    producerVersion: "",
    domain: "test.tessera",
    modelVersion: -1,
    docString: "Every field once",
    metadataProps: [{ key: "__proto__", value: "harmless" }, {}],
    functions: [
      {
        name: "Twice",
        domain: "test.tessera",
        overload: "o",
        input: ["a"],
        output: ["b"],
        attribute: ["alpha"],
        attributeProto: everyKind,
        node: [{ opType: "Add", input: ["a", "a"], output: ["b"], metadataProps: [{ key: "k", value: "v" }] }],
        opsetImport: [{ domain: "", version: 17 }],
        valueInfo: [value("b", [])],
      },
    ],
    trainingInfo: [
      {
        initialization: branch("init"),
        algorithm: branch("step"),
        initializationBinding: [{ key: "w", value: "w0" }],
        updateBinding: [{ key: "w", value: "w1" }],
      },
    ],
    configuration: [{ name: "two", numDevices: 2, device: ["cpu:0", "cpu:1"] }],
    graph: {
      ...small.graph,
      docString: "",
      sparseInitializer: [sparse],
      quantizationAnnotation: [{ tensorName: "x", quantParameterTensorNames: [{ key: "SCALE_TENSOR", value: "s" }] }],
      valueInfo: [
        {
          name: "c",
          type: { denotation: "IMAGE", sparseTensorType: { elemType: 1, shape: {} } },
          docString: "d",
          metadataProps: [],
        },
      ],
      initializer: [
        ...(small.graph?.initializer ?? []),
        {
          name: "far",
          dims: [4],
          dataType: DATA_TYPES.FLOAT.code,
          dataLocation: DATA_LOCATIONS.EXTERNAL,
          externalData: [
            { key: "location", value: "weights.bin" },
            { key: "offset", value: "16" },
            { key: "length", value: "16" },
          ],
        },
        {
          name: "u64",
          dims: [2],
          segment: { begin: 0, end: 2 },
          dataType: DATA_TYPES.UINT64.code,
          uint64Data: BigUint64Array.of(0n, 2n ** 64n - 1n),
        },
      ],
      node: [
        ...(small.graph?.node ?? []),
        {
          opType: "Twice",
          domain: "test.tessera",
          overload: "o",
          deviceConfigurations: [
            {
              configurationId: "two",
              pipelineStage: 1,
              shardingSpec: [
                {
                  tensorName: "x",
                  device: [-1, 0],
                  indexToDeviceGroupMap: [{ key: -1, value: [0, 1] }],
                  shardedDim: [
                    {
                      axis: 0,
                      simpleSharding: [
                        { dimParam: "N", numShards: 2 },
                        { dimValue: 8, numShards: 4 },
                      ],
                    },
                  ],
                },
              ],
            },
          ],
        },
      ],
    },
  };
}

/** The model with every large tensor emptied: the structure of a real file at a hundredth of its size. */
export function withoutWeights(model: ModelProto, maxTensorBytes = 64): ModelProto {
  const strip = (tensor: TensorProto): TensorProto =>
    (tensor.rawData?.length ?? 0) > maxTensorBytes ? { ...tensor, rawData: new Uint8Array() } : tensor;
  const { graph } = model;
  if (graph === undefined) return model;
  return { ...model, graph: { ...graph, initializer: (graph.initializer ?? []).map(strip) } };
}
