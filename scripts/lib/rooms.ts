/** Where a file lives: a room of core (`core/graph`) or a package (`cli`). */
export interface Room {
  readonly says: string;
  /** Rooms it may import. */
  readonly may: readonly string[];
  /** npm packages it may import. */
  readonly outside: readonly string[];
  /** Whether `node:` modules may be imported outside tests. */
  readonly node: boolean;
}

function coreRoom(says: string, ...may: readonly string[]): Room {
  return { says, may: may.map((room) => `core/${room}`), outside: [], node: false };
}

const CORE = {
  "core/base": coreRoom("errors with codes, seeded random, assertions"),
  "core/graph": coreRoom("Model, Tensor, QuantPlan, Runtime; edit, walk, verify, text form", "base"),
  "core/ops": coreRoom("a row per operator: signature, attributes, inference, cost", "base", "graph"),
  "core/formats": coreRoom("bytes to records of the file's own schema and back, bounded", "base"),
  "core/interp": coreRoom("the slow, exact reference", "base", "graph", "ops"),
  "core/targets": coreRoom("what each runtime and device takes, fuses and falls back on", "base", "graph", "ops"),
  "core/passes": coreRoom("pure passes, rewrite rules, the pipeline and its proof", "base", "graph", "ops", "interp", "targets"),
  "core/convert": coreRoom(
    "raises records to Model and plan, lowers them back",
    "base",
    "graph",
    "ops",
    "formats",
    "passes",
    "targets",
  ),
  "core/biometrics": coreRoom("comparison scores to DET, EER, TAR at FAR, intervals, thresholds", "base"),
  "core/quant": coreRoom("observers, schemes, plans", "base", "graph", "ops", "interp", "passes", "targets", "biometrics"),
  "core/train": coreRoom("gradients, losses, optimisers (later)", "base", "graph", "ops", "passes"),
  "core/codegen": coreRoom(
    "what a microcontroller cannot compute, dead channels, memory plan, C99 and its kernels, TFLM bundle",
    "base",
    "graph",
    "ops",
    "interp",
    "targets",
  ),
  "core/signal": coreRoom("pixels and samples to tensors", "base"),
  "core/modality": coreRoom("model cards; faces: decoders, alignment, embedding", "base", "graph", "signal", "biometrics"),
  "core/protocol": coreRoom("schemas shared by packages: the report, the gateway's answers", "base"),
  "core/trust": coreRoom("bundles, signatures, update metadata (later)", "base", "protocol"),
} as const satisfies Record<string, Room>;

function coreRooms(...names: readonly string[]): readonly string[] {
  return names.map((name) => `core/${name}`);
}

const ALL_CORE = Object.keys(CORE);

/** The table of rooms and arrows: what is not listed fails. DESIGN.md gave the first version, the code the rest. */
export const ROOMS: Readonly<Record<string, Room>> = {
  ...CORE,
  runtimes: {
    says: "adapters to real runtimes behind the Runtime interface; boards that run generated C",
    may: coreRooms("base", "graph", "formats", "interp", "targets", "convert", "codegen"),
    outside: ["@litertjs/core", "@tensorflow/tfjs-tflite", "onnxruntime-node", "onnxruntime-web"],
    node: true,
  },
  media: {
    says: "files of pictures to pixels, in Node",
    may: coreRooms("base", "signal"),
    outside: ["sharp"],
    node: true,
  },
  gateway: {
    says: "the on-device service: pipelines in workers, encrypted templates, HTTP",
    may: [...coreRooms("base", "graph", "signal", "biometrics", "modality", "protocol"), "media", "runtimes"],
    outside: ["@hono/node-server", "cborg", "hono", "jose", "pino", "prom-client", "valibot", "ws"],
    node: true,
  },
  page: {
    says: "the gateway's page: camera and microphone in the browser",
    may: coreRooms("protocol"),
    outside: [],
    node: false,
  },
  web: {
    says: "the report page: static SVG and HTML",
    may: coreRooms("base", "biometrics", "protocol"),
    outside: ["@observablehq/plot", "linkedom"],
    node: false,
  },
  cli: {
    says: "the command: parse, call, print",
    may: [...ALL_CORE, "runtimes", "web", "media", "gateway"],
    outside: ["citty", "picocolors", "valibot"],
    node: true,
  },
  testkit: {
    says: "private: builders, arbitraries, one suite per interface",
    may: [...ALL_CORE, "runtimes", "media", "gateway"],
    outside: ["fast-check", "flatbuffers", "vitest"],
    node: true,
  },
};

/** What tests may import besides: helpers, their own room's dependencies, reference implementations to compare with. */
export const TESTS_MAY: Pick<Room, "may" | "outside"> = {
  may: [...ALL_CORE, "runtimes", "testkit"],
  outside: ["vitest", "fast-check", "onnx-buf", "@bufbuild/protobuf", "sharp", "playwright-core", "@simplewebauthn/server"],
};
