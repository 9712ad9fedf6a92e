/**
 * How long reading and writing an ONNX file of 100 MB takes: 200 layers of 7 nodes, weights in `raw_data`.
 *
 *     npx tsx --conditions=source bench/onnx-codec.ts
 */
import { cpus } from "node:os";
import { ATTRIBUTE_TYPES, DATA_TYPES } from "@tessera/core/formats/onnx/data-type";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import type { ModelProto, NodeProto, TensorProto } from "@tessera/core/formats/onnx/records";
import { writeOnnx, writeOnnxChunks } from "@tessera/core/formats/onnx/write";

const LAYERS = 200;
const CHANNELS = 120;
const RUNS = 15;
const TARGETS = { decode: 150, encode: 500 } as const;

function tensor(name: string, dims: readonly number[]): TensorProto {
  const values = new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.25);
  return { name, dims, dataType: DATA_TYPES.FLOAT.code, rawData: new Uint8Array(values.buffer) };
}

function layer(index: number): { readonly nodes: readonly NodeProto[]; readonly tensors: readonly TensorProto[] } {
  const at = (suffix: string): string => `backbone.layers.${index}.${suffix}`;
  const from = index === 0 ? "x" : `backbone.layers.${index - 1}.out`;
  const ints = (name: string, list: readonly number[]) => ({ name, ints: list, type: ATTRIBUTE_TYPES.INTS });
  const conv = [ints("kernel_shape", [3, 3]), ints("pads", [1, 1, 1, 1]), ints("strides", [1, 1]), ints("dilations", [1, 1])];
  const stats = ["scale", "bias", "mean", "var"].map(at);
  return {
    nodes: [
      { opType: "Conv", name: at("conv"), input: [from, at("w"), at("b")], output: [at("c")], attribute: conv },
      {
        opType: "BatchNormalization",
        name: at("bn"),
        input: [at("c"), ...stats],
        output: [at("n")],
        attribute: [{ name: "epsilon", f: 1e-5, type: ATTRIBUTE_TYPES.FLOAT }],
      },
      { opType: "PRelu", name: at("act"), input: [at("n"), at("slope")], output: [at("a")] },
      { opType: "Mul", name: at("gate"), input: [at("a"), at("g")], output: [at("m")] },
      { opType: "Sigmoid", name: at("sig"), input: [at("m")], output: [at("s")] },
      { opType: "Mul", name: at("mix"), input: [at("s"), at("a")], output: [at("x")] },
      { opType: "Add", name: at("add"), input: [from, at("x")], output: [at("out")] },
    ],
    tensors: [
      tensor(at("w"), [CHANNELS, CHANNELS, 3, 3]),
      ...["b", "scale", "bias", "mean", "var"].map((name) => tensor(at(name), [CHANNELS])),
      tensor(at("slope"), [CHANNELS, 1, 1]),
      tensor(at("g"), [1]),
    ],
  };
}

function build(): ModelProto {
  const layers = Array.from({ length: LAYERS }, (_, i) => layer(i));
  const value = (name: string) => ({
    name,
    type: {
      tensorType: { elemType: DATA_TYPES.FLOAT.code, shape: { dim: [1, CHANNELS, 56, 56].map((dimValue) => ({ dimValue })) } },
    },
  });
  return {
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "bench",
      node: layers.flatMap(({ nodes }) => nodes),
      initializer: layers.flatMap(({ tensors }) => tensors),
      input: [value("x")],
      output: [value(`backbone.layers.${LAYERS - 1}.out`)],
    },
  };
}

/** Wall and processor times of repeated runs, in milliseconds; the first run is a warm-up and does not count. */
function time(run: () => unknown): { readonly medianMs: number; readonly minMs: number; readonly cpuMs: number } {
  const wall: number[] = [];
  const processor: number[] = [];
  for (let i = 0; i <= RUNS; i++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    run();
    wall.push(performance.now() - start);
    const { user, system } = process.cpuUsage(cpu);
    processor.push((user + system) / 1000);
  }
  const sorted = (list: readonly number[]): number[] => list.slice(1).sort((a, b) => a - b);
  const middle = (list: readonly number[]): number => sorted(list)[RUNS >> 1] ?? Number.NaN;
  return { medianMs: middle(wall), minMs: sorted(wall)[0] ?? Number.NaN, cpuMs: middle(processor) };
}

const built = build();
const file = writeOnnx(built);
const model = readOnnx(file);
if (Buffer.compare(writeOnnx(model), file) !== 0) throw new Error("The file does not come out as it went in");

const rows = {
  decode: time(() => readOnnx(file)),
  encode: time(() => writeOnnx(model)),
  "encode in chunks": time(() => writeOnnxChunks(model)),
};
console.log(
  `ONNX codec: ${(file.length / 1e6).toFixed(1)} MB, ${built.graph?.node?.length} nodes, median of ${RUNS} runs on ${cpus()[0]?.model}, Node ${process.version}\n`,
);
console.log(
  "| what             | median ms | min ms | processor ms | target ms |\n| ---------------- | --------: | -----: | -----------: | --------: |",
);
for (const [name, { medianMs, minMs, cpuMs }] of Object.entries(rows)) {
  const target = String(TARGETS[name as keyof typeof TARGETS] ?? "");
  console.log(
    `| ${name.padEnd(16)} | ${medianMs.toFixed(1).padStart(9)} | ${minMs.toFixed(1).padStart(6)} | ${cpuMs.toFixed(1).padStart(12)} | ${target.padStart(9)} |`,
  );
}
console.log(
  `\n${JSON.stringify({ fileBytes: file.length, nodes: built.graph?.node?.length, runs: RUNS, node: process.version, ...rows })}`,
);
