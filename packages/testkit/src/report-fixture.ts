import type {
  Candidate,
  Curves,
  Estimate,
  Flip,
  FusionSummary,
  Latency,
  OptimizeReport,
  TarAtFar,
  Versus,
} from "@tessera/core/protocol/report";
import { exampleFindings, exampleMatrix, withExampleSearch } from "./report-fixture-search.ts";

/** Settings of {@link exampleReport}. */
export interface ExampleReportOptions {
  /** Draws the made-up figures; same seed, same report. */
  readonly seed?: number;
  readonly genuine?: number;
  readonly impostor?: number;
}

/** A network the size of a public MobileFaceNet on the pictures of LFW. */
export const EXAMPLE_REPORT_DEFAULTS = {
  seed: 7,
  genuine: 4414,
  impostor: 7_260_000,
} as const satisfies Required<ExampleReportOptions>;

const FARS = [1e-3, 1e-4, 1e-5];

interface Made {
  readonly id: string;
  readonly says: string;
  readonly scheme: Candidate["scheme"];
  readonly sizeRatio: number;
  readonly ratio: number;
  /** Distance between the two distributions, in their own width. */
  readonly distance: number;
  readonly cosine: number;
}

const MADE: readonly Made[] = [
  { id: "fp32", says: "FP32 simplified", scheme: "float32", sizeRatio: 1, ratio: 1, distance: 5.02, cosine: 1 },
  { id: "fp16", says: "FP16", scheme: "float16", sizeRatio: 0.503, ratio: 1.07, distance: 5.019, cosine: 0.99999 },
  {
    id: "w8",
    says: "Weight-only INT8",
    scheme: "weight-only-int8",
    sizeRatio: 0.268,
    ratio: 1.03,
    distance: 5.008,
    cosine: 0.99941,
  },
  {
    id: "int8-dynamic",
    says: "INT8 dynamic",
    scheme: "dynamic-int8",
    sizeRatio: 0.266,
    ratio: 1.31,
    distance: 4.98,
    cosine: 0.9962,
  },
  {
    id: "int8-minmax",
    says: "INT8 static, min-max ranges",
    scheme: "static-int8",
    sizeRatio: 0.279,
    ratio: 0.512,
    distance: 4.955,
    cosine: 0.9947,
  },
  {
    id: "int8-mse",
    says: "INT8 static, mse ranges",
    scheme: "static-int8",
    sizeRatio: 0.279,
    ratio: 0.508,
    distance: 4.975,
    cosine: 0.9958,
  },
];

/**
 * A made-up but believable report of `optimize`, as large as a real one: for tests of what reads reports. No figure of it was measured.
 */
export function exampleReport(options: ExampleReportOptions = {}): OptimizeReport {
  const { seed, genuine, impostor } = { ...EXAMPLE_REPORT_DEFAULTS, ...options };
  const random = randomOf(seed);
  const counts = { genuine, impostor };
  const candidates = MADE.map((made, i) => candidateOf(made, i === 0, counts, random));
  const report: OptimizeReport = {
    kind: "tessera-optimize-report",
    version: 1,
    tool: { name: "tessera", version: "0.1.0" },
    createdAt: "2026-11-22T15:30:12.000Z",
    model: {
      file: "mobilefacenet-example-128.onnx",
      sha256: digestOf("model"),
      sizeBytes: 4_023_118,
      opset: 17,
      inputs: ["input: f32[N, 3, 112, 112]"],
      outputs: ["embedding: f32[N, 128]"],
      nodes: 214,
      parameters: 989_952,
      macs: 221_300_000,
      peakActivationBytes: 3_211_264,
      licence: "MIT",
      hazards: ["33 PRelu nodes: slow on ONNX Runtime for x64, rewritten for this target"],
    },
    target: {
      id: "ort-x64",
      says: "ONNX Runtime CPU on x64: uint8 activations, int8 weights per channel",
      notes: ["Signed 8-bit activations are not fused on x64: with them the same network runs slower than in float."],
    },
    machine: {
      processor: "Example processor 8-core",
      cores: 2,
      features: ["avx2", "avx512f", "avx512_vnni"],
      memoryBytes: 16_642_998_272,
      node: "v20.20.2",
      runtimes: [{ id: "ort-node", version: "1.30.0" }],
      threads: 1,
    },
    data: {
      calibration: { name: "example calib", samples: 300, subjects: 287, digest: digestOf("calib") },
      evaluation: {
        name: "example eval",
        samples: 3812,
        subjects: 2024,
        ...counts,
        digest: digestOf("eval"),
        protocol: "every picture against every other (all-pairs)",
      },
      sharedSubjects: [],
      failuresToAcquire: { count: 4, policy: "the picture's centre stands in for a face that was not found" },
      convention:
        "FMR(t) = share of impostor comparisons with score >= t; FNMR(t) = share of genuine comparisons with score < t; TAR = 1 - FNMR",
    },
    graph: graphOf(),
    candidates,
    pareto: ["fp32", "fp16", "w8", "int8-mse"],
    pick: {
      id: "int8-mse",
      why: [
        "INT8 static, mse ranges is the fastest variant that passes every gate and loses at most 0.50 % TAR: 6.11 ms a face, 1.12 MB",
        "TAR at FAR 0.001 changes by -0.31 % (95 % interval -0.52 % to -0.11 %) on the same pairs",
        "The interval reaches beyond the budget of 0.50 %: more people are needed to be sure",
      ],
      budgets: { far: 1e-3, maxDrop: 0.005 },
      passedOver: MADE.slice(0, -1).map((m) => ({ id: m.id, why: `it is ${(m.ratio / 0.508).toFixed(2)} times slower` })),
    },
    matrix: exampleMatrix(["fp32", "int8-minmax", "int8-mse"], 1e-3),
    layers: layersOf(random),
    preprocessing: {
      says: "The declared pre-processing separates people best",
      questioned: false,
      variants: [
        { name: "declared by the card", declared: true, dPrime: 5.02, tar: 0.9733 },
        { name: "red and blue swapped", declared: false, dPrime: 4.77, tar: 0.9581 },
        { name: "mean 127.5, scale 1/127.5", declared: false, dPrime: 4.98, tar: 0.9711 },
        { name: "0 to 1", declared: false, dPrime: 2.31, tar: 0.402 },
        { name: "0 to 255", declared: false, dPrime: 0.44, tar: 0.021 },
      ],
    },
    artefacts: MADE.flatMap((m) => [
      {
        file: `mobilefacenet-example-128.${m.id}.onnx`,
        says: m.says,
        sizeBytes: Math.round(4_012_000 * m.sizeRatio),
        sha256: digestOf(m.id),
      },
      {
        file: `mobilefacenet-example-128.${m.id}.card.json`,
        says: `model card of ${m.says}, thresholds re-fitted`,
        sizeBytes: 2311,
        sha256: digestOf(`${m.id} card`),
      },
    ]),
    next: [
      "Ship the card with the model: its thresholds belong to INT8 static, mse ranges and to no other variant",
      "Do not ship INT8 dynamic, FP16 here: slower than FP32 on this runtime",
    ],
  };
  return withExampleSearch(report, { plain: "int8-minmax", searched: "int8-mse", far: 1e-3, ids: MADE.map((m) => m.id) });
}

/** The same report with nothing that is optional, one candidate, no pick, and too little data everywhere. */
export function emptyExampleReport(): OptimizeReport {
  const full = exampleReport({ genuine: 12, impostor: 30 });
  const [only] = full.candidates;
  if (only === undefined) throw new Error("the example has no candidate");
  const { matrix: _matrix, layers: _layers, preprocessing: _preprocessing, search: _search, wholeData: _whole, ...rest } = full;
  const { versus: _versus, fusion: _fusion, ...bare } = only;
  const { macs: _macs, peakActivationBytes: _peak, licence: _licence, ...model } = full.model;
  return {
    ...rest,
    model: { ...model, hazards: [] },
    graph: { ...full.graph, passes: [], dropped: [], proof: { kind: "off", inputs: 0 } },
    candidates: [
      { ...bare, gates: [], notes: [], curves: { det: [], histogram: { from: 0, to: 0, genuine: [], impostor: [] } } },
    ],
    pareto: [],
    pick: {
      why: ["No candidate passes the gates and the budgets"],
      budgets: { far: 1e-3 },
      passedOver: [{ id: "fp32", why: "TAR at FAR 0.001 cannot be told from this data" }],
    },
    artefacts: [],
    next: [],
  };
}

/** Small generator of numbers in [0, 1): the figures only have to look alive. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function digestOf(text: string): string {
  const random = randomOf(Array.from(text).reduce((sum, c) => (Math.imul(sum, 31) + (c.codePointAt(0) ?? 0)) >>> 0, 17));
  return Array.from({ length: 64 }, () => Math.floor(random() * 16).toString(16)).join("");
}

/** Share of a normal distribution above z. */
function above(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail =
    (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z >= 0 ? tail : 1 - tail;
}

const IMPOSTOR = { mean: 0.02, sd: 0.088 };
const GENUINE_SD = 0.11;
const genuineMean = (made: Made): number => IMPOSTOR.mean + (made.distance / 5.02) * 0.6;

const fmrAt = (threshold: number): number => above((threshold - IMPOSTOR.mean) / IMPOSTOR.sd);
// A few per cent of genuine pairs are of poor pictures: without them no DET curve looks like a real one.
const fnmrAt = (made: Made, threshold: number): number =>
  0.96 * above((genuineMean(made) - threshold) / GENUINE_SD) +
  0.04 * above((genuineMean(made) * 0.5 - threshold) / (GENUINE_SD * 1.3));

function thresholdAt(far: number): number {
  let [low, high] = [-1, 1.5];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (fmrAt(middle) > far) low = middle;
    else high = middle;
  }
  return high;
}

function estimate(value: number, half: number): Estimate {
  return {
    value,
    low: value - half,
    high: value + half,
    confidence: 0.95,
    method: "subject bootstrap, percentile, 1000 resamples",
  };
}

interface Counts {
  readonly genuine: number;
  readonly impostor: number;
}

function candidateOf(made: Made, baseline: boolean, counts: Counts, random: () => number): Candidate {
  const told = FARS.filter((far) => far * counts.impostor >= 3);
  const points = FARS.map((far): TarAtFar => {
    const needed = Math.ceil(3 / far);
    if (!told.includes(far)) {
      const needsMore = needed - counts.impostor;
      return { kind: "insufficient-data", far, needsMore, says: `FAR ${far} needs ${needsMore} more impostor comparisons` };
    }
    const threshold = thresholdAt(far);
    const fnmr = fnmrAt(made, threshold);
    return {
      kind: "figure",
      far,
      tar: estimate(1 - fnmr, 0.004 + fnmr * 0.1),
      threshold,
      falseMatches: Math.floor(far * counts.impostor),
      falseNonMatches: Math.round(fnmr * counts.genuine),
    };
  });
  const integer = made.scheme === "static-int8" || made.scheme === "dynamic-int8";
  return {
    id: made.id,
    says: made.says,
    scheme: made.scheme,
    file: `mobilefacenet-example-128.${made.id}.onnx`,
    sha256: digestOf(made.id),
    sizeBytes: Math.round(4_012_000 * made.sizeRatio),
    sizeRatio: made.sizeRatio,
    baseline,
    latency: latencyOf(made, random),
    ...(integer ? { fusion: fusionOf(made) } : {}),
    accuracy: {
      tarAtFar: points,
      eer: { raw: 0.0102, convexHull: 0.0098 },
      dPrime: made.distance,
      folds: { name: "fold protocol (LFW View 2)", mean: 0.992, standardError: 0.0019, folds: 5 },
      scoringMs: 812,
    },
    ...(baseline ? {} : { versus: versusOf(made, told, random) }),
    gates: [
      { gate: "collapse", pass: true, says: "embeddings spread over 117 of 128 directions, FP32 over 118" },
      { gate: "impostor tail", pass: true, says: "FMR at FP32's thresholds grows by at most 1.12 times" },
    ],
    curves: curvesOf(made, counts),
    notes: baseline
      ? ["1.52 times as fast as the file that came in"]
      : made.scheme === "float16"
        ? ["2 nodes stay in FP32: their range is beyond half floats"]
        : [],
  };
}

function latencyOf(made: Made, random: () => number): Latency {
  const p50Ms = 12.03 * made.ratio;
  return {
    p50Ms,
    p90Ms: p50Ms * (1.04 + random() * 0.05),
    p99Ms: p50Ms * (1.2 + random() * 0.2),
    cpuMs: p50Ms * 1.01,
    loadMs: 18 + random() * 30,
    peakRssBytes: Math.round(21e6 + random() * 2e7),
    ratioToBaseline: { median: made.ratio, low: made.ratio * 0.97, high: made.ratio * 1.04 },
    runs: 500,
    threads: 1,
  };
}

function fusionOf(made: Made): FusionSummary {
  const still = made.scheme === "static-int8";
  return {
    integer: [
      { op: "Conv", integer: still ? 51 : 0, total: 51 },
      { op: "Add", integer: still ? 12 : 0, total: 12 },
      { op: "Gemm", integer: 1, total: 1 },
    ],
    transposes: still ? 2 : 0,
    quantizeNodes: still ? 4 : 0,
    islands: still
      ? [
          {
            node: "/output_layer/BatchNormalization",
            op: "BatchNormalization",
            why: "ORT has no integer kernel for BatchNormalization",
          },
        ]
      : Array.from({ length: 14 }, (_, i) => ({
          node: `/blocks.${i}/Conv`,
          op: "Conv",
          why: "ConvInteger is slower than float here",
        })),
  };
}

function versusOf(made: Made, fars: readonly number[], random: () => number): Versus {
  const base = MADE[0] as Made;
  return {
    cosineMean: made.cosine,
    cosineMin: made.cosine - (1 - made.cosine) * 5,
    tarDifference: fars.map((far) => {
      const threshold = thresholdAt(far);
      return { far, difference: estimate(fnmrAt(base, threshold) - fnmrAt(made, threshold), 0.0009 + (1 - made.cosine) * 0.35) };
    }),
    realisedFar: fars.map((far) => ({ far, threshold: thresholdAt(far), realised: far * (1 + (1 - made.cosine) * 12) })),
    flips: fars.map((far) => {
      const examples = Array.from({ length: 40 }, () => flipOf(far, random));
      return {
        far,
        newlyAccepted: 310,
        newlyRejected: 322,
        impostorsNewlyAccepted: 301,
        examples: examples.sort((a, b) => Math.abs(a.score - a.baselineScore) - Math.abs(b.score - b.baselineScore)),
      };
    }),
    worstScoreShift: 0.02 + (1 - made.cosine) * 14,
    impostorMeanShift: (1 - made.cosine) * 0.14,
  };
}

const PEOPLE = [
  "Person_Alder",
  "Person_Birch",
  "Person_Cedar",
  "Person_Elm",
  "Person_Hazel",
  "Person_Juniper",
  "Person_Larch",
  "Person_Rowan",
];

function flipOf(far: number, random: () => number): Flip {
  const person = (): string => PEOPLE[Math.floor(random() * PEOPLE.length)] as string;
  const picture = (who: string): string => `${who}/${who}_${String(1 + Math.floor(random() * 30)).padStart(4, "0")}.jpg`;
  const genuine = random() < 0.4;
  const first = person();
  const accepted = random() < 0.5;
  const distance = random() * 0.02;
  const threshold = thresholdAt(far);
  return {
    a: picture(first),
    b: picture(genuine ? first : person()),
    genuine,
    baselineScore: threshold + (accepted ? -distance : distance),
    score: threshold + (accepted ? distance : -distance),
    accepted,
  };
}

function curvesOf(made: Made, counts: Counts): Curves {
  const det: { fmr: number; fnmr: number }[] = [];
  for (let threshold = -0.4; threshold < 0.62; threshold += 0.004) {
    const fmr = Math.round(fmrAt(threshold) * counts.impostor) / counts.impostor;
    const fnmr = Math.round(fnmrAt(made, threshold) * counts.genuine) / counts.genuine;
    const last = det.at(-1);
    if (last === undefined || last.fmr !== fmr || last.fnmr !== fnmr) det.push({ fmr, fnmr });
  }
  const bins = 120;
  const [from, to] = [-0.38, 0.98];
  const density = (x: number, mean: number, sd: number): number =>
    Math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI));
  const at = (i: number): number => from + ((i + 0.5) / bins) * (to - from);
  const mean = genuineMean(made);
  return {
    det,
    histogram: {
      from,
      to,
      genuine: Array.from(
        { length: bins },
        (_, i) => 0.96 * density(at(i), mean, GENUINE_SD) + 0.04 * density(at(i), mean * 0.5, GENUINE_SD * 1.3),
      ),
      impostor: Array.from({ length: bins }, (_, i) => density(at(i), IMPOSTOR.mean, IMPOSTOR.sd)),
    },
  };
}

function graphOf(): OptimizeReport["graph"] {
  return {
    before: {
      nodes: 214,
      operators: { Conv: 51, BatchNormalization: 52, PRelu: 33, Add: 12, Constant: 41, Reshape: 1, Gemm: 1, Identity: 23 },
    },
    after: { nodes: 163, operators: { Conv: 51, BatchNormalization: 1, Relu: 33, Mul: 66, Add: 12 } },
    passes: [
      { pass: "fold-constants", says: "computes what depends on constants only", changes: 41 },
      { pass: "fold-batch-norm", says: "folds BatchNormalization into the Conv before it", changes: 51 },
      { pass: "split-prelu", says: "PRelu becomes s*x + (1-s)*relu(x), which this runtime computes faster", changes: 33 },
      { pass: "remove-identity", says: "removes nodes that return what they are given", changes: 23 },
    ],
    proof: { kind: "proved", inputs: 6, worstRelative: 2.4e-6 },
    dropped: [{ pass: "flush-tiny", site: "/blocks.3/conv/Conv", why: "outputs differ by 3.1e-4" }],
  };
}

function layersOf(random: () => number): NonNullable<OptimizeReport["layers"]> {
  const ops = ["Conv", "Mul", "Relu", "Mul", "Add"];
  const layers = Array.from({ length: 130 }, (_, i) => {
    const sqnrDb = 38 - i * 0.12 + (random() - 0.5) * 10 - (i === 3 ? 14 : 0);
    return {
      tensor: `/blocks.${Math.floor(i / 5)}/${ops[i % 5]}_${i}_output_0`,
      op: ops[i % 5] as string,
      sqnrDb,
      cosine: 1 - 0.5 * 10 ** (-sqnrDb / 10),
      ...(i % 2 === 0 ? { localSqnrDb: sqnrDb + 9, rangeUse: 0.93, clippedLow: 0, clippedHigh: i === 4 ? 0.012 : 3e-6 } : {}),
    };
  });
  const timesOf = (scale: number, prefix: string) =>
    Array.from({ length: 51 }, (_, i) => [
      { name: `/blocks.${i}/conv`, op: `${prefix}Conv`, timeUs: (60 + random() * 220) * scale },
      { name: `/blocks.${i}/relu`, op: "Relu", timeUs: (8 + random() * 14) * Math.sqrt(scale) },
      { name: `/blocks.${i}/add`, op: `${prefix}Add`, timeUs: (9 + random() * 20) * scale },
    ]).flat();
  return {
    candidate: "int8-mse",
    samples: 16,
    layers,
    ...exampleFindings(layers.map((l) => l.tensor)),
    baselineTimes: timesOf(1, ""),
    times: [...timesOf(0.42, "QLinear"), { name: "input_QuantizeLinear", op: "QuantizeLinear", timeUs: 41 }],
  };
}
