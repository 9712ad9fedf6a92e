import type { McuBlock, McuFigures, McuReport } from "@tessera/core/protocol/mcu-report";

const LAYERS = ["conv", "depthwise 1", "pointwise 1", "pool", "dense"];

const BLOCKS: readonly McuBlock[] = [
  { name: "input", kind: "value", bytes: 490, offset: 0, first: 0, last: 0 },
  { name: "ring of conv", kind: "ring", bytes: 640, offset: 8192, first: 0, last: 0 },
  { name: "a", kind: "value", bytes: 8000, offset: 16, first: 0, last: 1 },
  { name: "b", kind: "value", bytes: 8000, offset: 8016, first: 1, last: 3 },
  { name: "scratch", kind: "scratch", bytes: 256, offset: 16, first: 2, last: 2 },
  { name: "y", kind: "value", bytes: 12, offset: 0, first: 4, last: 4 },
];

function exampleFigures(): McuFigures {
  const layers = LAYERS.map((name, i) => ({
    name,
    op: i === 3 ? "averagePool" : "conv",
    macs: i === 3 ? 0 : 500_000 * (i + 1),
    instructions: 700_000 * (i + 1),
    share: (i + 1) / 15,
  }));
  return {
    rounding: { profile: "tflm-double", says: "rounds twice, as TensorFlow Lite for Microcontrollers does" },
    pruned: {
      channels: 0,
      of: 576,
      macsBefore: 5_500_000,
      macsAfter: 5_500_000,
      weightBytesBefore: 22_604,
      weightBytesAfter: 22_604,
      says: "none of 576 channels is the same whatever comes in",
    },
    macs: 5_500_000,
    flash: {
      basis: "measured",
      weights: 22_604,
      tables: 5292,
      code: 6100,
      rodata: 180,
      total: 34_176,
      says: "Read from the linker's map",
    },
    memory: {
      arenaBytes: 16_016,
      lowerBoundBytes: 16_000,
      gapBytes: 16,
      method: "by size",
      plainArenaBytes: 24_000,
      stream: "auto",
      streamedSteps: 0,
      pushed: false,
      alignment: 16,
      items: LAYERS,
      blocks: BLOCKS,
    },
    instructions: {
      basis: "measured",
      total: 10_500_000,
      perMac: 10_500_000 / 5_500_000,
      init: 0,
      layers,
      says: "counted, not sampled: gcc 12.2 -O2, QEMU 7.2",
      compiler: "gcc 12.2",
      flags: "-O2",
      emulator: "QEMU 7.2",
    },
    stack: { basis: "measured", bytes: 312, says: "painted before the run" },
    cycles: {
      model: "1.3 to 1.6 cycles an instruction",
      low: 13_650_000,
      high: 16_800_000,
      time: { mhz: 120, lowMs: 113.75, highMs: 140 },
      says: "not measured on silicon",
    },
    fits: {
      pass: true,
      basis: "linked",
      flashBytes: 262_144,
      ramBytes: 65_536,
      says: "The linker put it into 256 KiB of flash and 64 KiB of memory",
    },
    tflm: { flashBytes: 139_100, arenaBytes: 22_820, instructions: 15_950_000, says: "with CMSIS-NN", source: "made up" },
    verified: [{ on: "Cortex-M4 under QEMU", inputs: 16, compared: 192, different: 0, instructions: 10_500_000 }],
    sourcesSha256: "ab".repeat(32),
  };
}

/** A made-up report of `tessera mcu`, as a small network gives it: for tests of what reads reports. No figure of it was measured. */
export function exampleMcuReport(): McuReport {
  return {
    kind: "tessera-mcu-report",
    version: 1,
    tool: { name: "tessera", version: "0.1.0" },
    model: {
      file: "kws.int8.tflite",
      sha256: "cd".repeat(32),
      sizeBytes: 53_936,
      inputs: ["input: i8[1, 1, 49, 10]"],
      outputs: ["y: i8[1, 12]"],
      operators: { Conv: 4, AveragePool: 1 },
    },
    target: {
      id: "cortex-m4",
      cpu: "m4",
      says: "Cortex-M4 by generated C",
      isa: "dsp",
      flashBytes: 262_144,
      ramBytes: 65_536,
      budget: "256 KiB of flash, 64 KiB of memory",
    },
    faults: [
      {
        severity: "cost",
        op: "PRelu",
        nodes: 1,
        says: "1 PRelu takes two multiplications a value",
        suggestion: "Train with Relu6",
      },
    ],
    figures: exampleFigures(),
    bundle: {
      modelBytes: 30_704,
      operators: ["CONV_2D", "AVERAGE_POOL_2D"],
      plan: { bytes: 16_000, lowerBoundBytes: 16_000, gapBytes: 0, greedyBytes: 16_000 },
      arenas: [{ kernels: "reference", bytes: 23_800, plannedBytes: 16_000, persistentBytes: 6_772, marginBytes: 1_024 }],
      says: "arenas are estimates with a margin",
    },
    artefacts: [{ file: "kws.c", says: "the network", sizeBytes: 9000, sha256: "ef".repeat(32) }],
    notes: ["the final normalisation is left to the application"],
    next: ["Flash it and measure"],
  };
}

/** The same for a model that cannot be exported. */
export function refusedMcuReport(): McuReport {
  const { figures: _figures, bundle: _bundle, ...report } = exampleMcuReport();
  return {
    ...report,
    faults: [
      {
        severity: "error",
        says: "the model computes in floats, and the C computes in integers alone",
        suggestion: "tessera quantize kws.tflite --target cortex-m4 --io int8 --calib DATA",
      },
    ],
    artefacts: [],
    next: [],
  };
}
