/**
 * Instructions for each multiplication of a depthwise-separable block: 3 by 3 depthwise and pointwise, 16x16x32 to 64, requantization included, as emitted
 * C on emulated boards, with outputs equal to the interpreter of device programs. Run from the root:
 *
 *   npx tsx --conditions=source bench/mcu-block.ts [--height 16] [--width 16] [--channels 32] [--outputs 64] [--kernel 3] [--stride 1] [--json FILE]
 *
 * A table goes to stderr, JSON to stdout or FILE. Boards whose tools are absent are left out with the reason.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { seededRandom } from "@tessera/core/base/random";
import { emitC } from "@tessera/core/codegen/c/emit";
import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import type { DeviceConv, DeviceDepthwise, DeviceProgram, DeviceValue } from "@tessera/core/codegen/device/program";
import { runDevice } from "@tessera/core/codegen/device/run";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import type { BoardId } from "@tessera/runtimes/mcu-lab/boards";
import { buildAndRun } from "@tessera/runtimes/mcu-lab/build-and-run";
import { emittedCalls } from "@tessera/runtimes/mcu-lab/emitted-calls";

const { values: flags } = parseArgs({
  options: {
    height: { type: "string", default: "16" },
    width: { type: "string", default: "16" },
    channels: { type: "string", default: "32" },
    outputs: { type: "string", default: "64" },
    kernel: { type: "string", default: "3" },
    stride: { type: "string", default: "1" },
    json: { type: "string" },
  },
});

const ROWS: readonly { readonly board: BoardId; readonly isa: DeviceIsa }[] = [
  { board: "m4", isa: "dsp" },
  { board: "m4", isa: "portable" },
  { board: "m7", isa: "dsp" },
  { board: "m55", isa: "mve" },
  { board: "rv32", isa: "portable" },
];

const [height, width, channels, outputs, kernel, stride] = [
  flags.height,
  flags.width,
  flags.channels,
  flags.outputs,
  flags.kernel,
  flags.stride,
].map(Number) as [number, number, number, number, number, number];
const pad = (kernel - 1) >> 1;
const outHeight = Math.floor((height + 2 * pad - kernel) / stride) + 1;
const outWidth = Math.floor((width + 2 * pad - kernel) / stride) + 1;
const random = seededRandom(5);

function integers(count: number, least: number, most: number): number[] {
  return Array.from({ length: count }, () => least + random.int(most - least + 1));
}

function value(name: string, shape: readonly number[], zeroPoint: number): DeviceValue {
  return { name, dtype: "int8", shape, bytes: shape.reduce((a, b) => a * b, 1), scale: 1, zeroPoint };
}

/** Multipliers and shifts that spread sums over most of int8. */
function sums(count: number, inputZero: number, outputZero: number, shift: number) {
  return {
    bias: Int32Array.from(integers(count, -2000, 2000)),
    inputZero,
    outputZero,
    rescale: {
      rule: "double" as const,
      multipliers: Int32Array.from(integers(count, 2 ** 30, 2 ** 31 - 1)),
      shifts: Int32Array.from({ length: count }, (_, i) => -shift - (i % 2)),
    },
    clamp: [-128, 127] as const,
  };
}

const depthwise: DeviceDepthwise = {
  kind: "depthwise",
  node: "depthwise",
  inputs: ["x"],
  output: "middle",
  height,
  width,
  channels,
  outHeight,
  outWidth,
  outChannels: channels,
  kernel: [kernel, kernel],
  strides: [stride, stride],
  dilations: [1, 1],
  pads: [pad, pad],
  weights: Int8Array.from(integers(kernel * kernel * channels, -127, 127)),
  ...sums(channels, -12, -128, 8),
};
const pointwise: DeviceConv = {
  kind: "conv",
  node: "pointwise",
  inputs: ["middle"],
  output: "y",
  group: 1,
  height: outHeight,
  width: outWidth,
  channels,
  outHeight,
  outWidth,
  outChannels: outputs,
  kernel: [1, 1],
  strides: [1, 1],
  dilations: [1, 1],
  pads: [0, 0],
  weights: Int8Array.from(integers(outputs * channels, -127, 127)),
  ...sums(outputs, -128, 5, 9),
};
const values = [
  value("x", [height, width, channels], -12),
  value("middle", [outHeight, outWidth, channels], -128),
  value("y", [outHeight, outWidth, outputs], 5),
];
const program: DeviceProgram = {
  kind: "device-program",
  profile: "tflm-double",
  inputs: ["x"],
  outputs: ["y"],
  values: new Map(values.map((each) => [each.name, each])),
  views: new Map(),
  constants: new Map(),
  steps: [depthwise, pointwise],
};
const input = Int8Array.from(integers(height * width * channels, -128, 127));
const wanted = runDevice(program, new Map([["x", input]])).get("y") as Int8Array;

function line(cells: readonly (string | number)[]): void {
  const [first, second, ...rest] = cells;
  process.stderr.write(
    `${String(first).padEnd(6)} ${String(second).padEnd(10)} ${rest.map((cell) => String(cell).padStart(9)).join(" ")}\n`,
  );
}

line(["board", "kernels", "dw insns", "dw/MAC", "pw insns", "pw/MAC", "code", "arena", "stack"]);
const results: object[] = [];
for (const { board, isa } of ROWS) {
  const made = emitC(program, scheduleDevice(program, { isa }), { name: "block", isa, selfTest: "none" });
  const task = { files: made.files, calls: emittedCalls(made), board, vectors: [new Uint8Array(input.buffer)] };
  const run = await buildAndRun(task, { layers: made.layers.length });
  if (run.kind !== "run") {
    const reason = run.kind === "skipped" ? run.reason : "it does not fit the board";
    process.stderr.write(`${board.padEnd(6)} ${isa.padEnd(10)} left out: ${reason}\n`);
    results.push({ board, isa, reason });
    continue;
  }
  const isEqual = Buffer.compare(run.outputs[0] as Uint8Array, new Uint8Array(wanted.buffer)) === 0;
  const layers = made.layers.map(({ kind, macs }, k) => {
    const instructions = run.layers?.[k]?.instructions ?? 0;
    return { kind, macs, instructions, perMac: instructions / macs };
  });
  const cells = layers.flatMap(({ instructions, perMac }) => [instructions, perMac.toFixed(3)]);
  line([board, isa, ...cells, run.sizes?.flash.code ?? 0, run.sizes?.ram.arena ?? 0, run.stackBytes ?? 0]);
  if (!isEqual) process.stderr.write("  outputs differ from the interpreter\n");
  if (!isEqual) process.exitCode = 1;
  results.push({
    board,
    isa,
    isEqual,
    layers,
    sizes: run.sizes?.flash,
    stackBytes: run.stackBytes,
    tools: run.tools,
    flags: run.flags,
  });
}
const json = `${JSON.stringify({ kind: "mcu-block", height, width, channels, outputs, kernel, stride, results }, null, 1)}\n`;
if (flags.json === undefined) process.stdout.write(json);
else writeFileSync(flags.json, json);
