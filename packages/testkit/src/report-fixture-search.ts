import type { CohortTable, CompatibilityMatrix, Estimate, LayerComparison, OptimizeReport } from "@tessera/core/protocol/report";
import type { ChainReport, SearchFigures, SearchReport, WholeDataTable } from "@tessera/core/protocol/search-report";

/** What a made-up search needs of the report that it stands in. */
export interface SearchOfExample {
  /** Candidates that the search handed on. */
  readonly plain: string;
  readonly searched: string;
  readonly far: number;
  readonly ids: readonly string[];
}

function figures(lossPoints: number, more: Partial<SearchFigures> = {}): SearchFigures {
  const value = lossPoints / 100;
  return {
    loss: { value, low: value * 0.7, high: value * 1.35 },
    smoothed: { value: value * 1.2, low: -0.001, high: value * 3 },
    flips: Math.round(lossPoints * 300),
    nearPairs: 3000,
    spread: 0.004 + lossPoints * 0.01,
    impostorShift: 0.0002 * lossPoints,
    worstShift: 0.02 + lossPoints * 0.05,
    cosineMean: 1 - lossPoints * 0.01,
    cosineMin: 1 - lossPoints * 0.04,
    ...more,
  };
}

/** A made-up but believable search; no figure of it was measured. */
export function exampleSearch({ plain, searched, far }: SearchOfExample): SearchReport {
  const tried: readonly (readonly [stage: string, says: string, loss: number, accepted: boolean])[] = [
    ["start", "mse ranges, channels equalized", 0.31, true],
    ["ranges", "min-max ranges, channels equalized", 0.38, false],
    ["ranges", "percentile 99.999 ranges, channels equalized", 0.28, true],
    ["ranges of single tensors", "block_1: a range 7 % tighter", 0.27, false],
    ["embedding", "embedding: the range that turns embeddings least", 0.26, true],
    ["weights", "weights rounded by what their inputs are like", 0.22, true],
    ["weights", "biases corrected, layer after layer", 0.2, false],
    ["mixed precision", "stem (Conv) in float", 0.15, true],
  ];
  const sensitivity = Array.from({ length: 40 }, (_, i) => ({
    name: `/blocks.${i}/conv`,
    op: i % 3 === 2 ? "Add" : "Conv",
    nodes: [`/blocks.${i}/conv`, `/blocks.${i}/clip`],
    alone: { spread: 0.0008 + (i < 2 ? 0.004 - i * 0.001 : 0.0003 * (i % 5)), flips: i < 2 ? 9 - i : i % 3 },
    whole: { spread: 0.0071, flips: 66 },
    ...(i % 4 === 0 ? { without: { spread: 0.0069, flips: 63 } } : {}),
    nearPairs: 3000,
    timeShare: i % 7 === 0 ? -0.004 : 0.013,
  }));
  const first = sensitivity[0] as (typeof sensitivity)[number];
  const point = (says: string, loss: number, about: Partial<ChainReport> = {}): ChainReport => ({
    says,
    groups: [],
    figures: figures(loss),
    timeRatio: 1,
    gains: true,
    ...about,
  });
  return {
    depth: "full",
    far,
    people: {
      says: "fold=1,2",
      searched: 830,
      reported: 1256,
      samples: 1484,
      genuine: 1710,
      impostor: 1_098_000,
    },
    plain: point("plain: mse ranges", 0.74, { candidate: plain }),
    chain: [
      point("all in integers", 0.22, { candidate: searched }),
      point("1 group in float: stem", 0.15, { groups: [first.name], timeRatio: 1.04 }),
    ],
    steps: tried.map(([stage, says, loss, accepted], i) => ({
      stage,
      says,
      accepted,
      why: accepted ? "the interval of the gain lies above zero" : "strangers come closer: their mean rose by 0.0031",
      figures: figures(loss),
      ...(i === 0 ? {} : { versus: { value: -0.0003, low: -0.0006, high: -0.0001 } }),
    })),
    sensitivity,
    reasons: [
      {
        candidate: searched,
        nodes: sensitivity.map((g, i) => ({
          node: g.name,
          precision: i === 0 ? "float32" : "int8",
          reason: i === 0 ? "float: flips 9 of 3,000 near-threshold pairs, costs 1 % time" : "int8: alone it flips 1 of 3,000",
        })),
      },
    ],
    stopped: "more nodes in float gain nothing",
    seconds: 312,
    evaluations: 41,
    recalled: 6,
    resumed: true,
    convention: "TAR at FAR with every score blurred by a Gaussian kernel; intervals by persons",
  };
}

/** Made-up figures on everybody. */
export function exampleWholeData({ ids, far }: SearchOfExample): WholeDataTable {
  return {
    says: "All people, those whom the search saw included.",
    people: 2086,
    samples: 3811,
    genuine: 4414,
    impostor: 7_255_534,
    candidates: ids.map((id, i) => ({
      id,
      tarAtFar: [{ far, tar: { value: 0.978 - i * 0.0005, low: 0.968, high: 0.986 }, threshold: 0.333 }],
      tarDifference: i === 0 ? [] : [{ far, difference: { value: -0.0005 * i, low: -0.002, high: 0.0006 } }],
      ...(i === 0 ? {} : { cosineMean: 0.9974, worstScoreShift: 0.041, impostorMeanShift: -0.0003 }),
    })),
  };
}

function estimate(value: number, margin: number): Estimate {
  return { value, low: value - margin, high: value + margin, confidence: 0.95, method: "paired-subject-bootstrap" };
}

/** Made-up cohorts: one that loses most, one of which too little is known. */
export function exampleCohorts(far: number): CohortTable {
  return {
    column: "session",
    far,
    threshold: 0.3312,
    baselineThreshold: 0.3329,
    rows: [
      {
        cohort: "night",
        people: 212,
        genuine: 630,
        impostor: 88_000,
        falseNonMatches: 41,
        tar: estimate(0.935, 0.021),
        fmr: estimate(1.4e-3, 4e-4),
        baselineTar: 0.947,
        baselineFmr: 1.2e-3,
        difference: estimate(-0.012, 0.007),
      },
      {
        cohort: "day",
        people: 900,
        genuine: 3100,
        impostor: 4_100_000,
        falseNonMatches: 71,
        tar: estimate(0.977, 0.009),
        fmr: estimate(9e-4, 1e-4),
        baselineTar: 0.978,
        baselineFmr: 9.1e-4,
        difference: estimate(-0.001, 0.001),
      },
      { cohort: "dusk", people: 4, genuine: 6, impostor: 12, falseNonMatches: 0, says: "needs 2,988 more impostor comparisons" },
    ],
    unlisted: 3,
    worst: "night",
    convention: "all cohorts at the threshold of everybody; a comparison belongs to a cohort when both pictures do",
  };
}

/** Made-up verdicts and adapters: everything that a cell can be. */
export function exampleMatrix(models: readonly [string, string, string], far: number): CompatibilityMatrix {
  const verdicts = [
    "templates stay",
    "re-fit threshold",
    "re-enrol",
    "adapter suffices",
    "templates stay",
    "insufficient data",
  ] as const;
  return {
    far,
    models,
    cells: models.map((_, i) =>
      models.map((_, j) => ({
        tar: 0.9733 - 0.0012 * (i + j),
        threshold: 0.3312 + 0.002 * i,
        fmrAtBaselineThreshold: 1e-3 * (1 + 0.05 * (i + j)),
        ...(i === j ? {} : { verdict: verdicts[i * 2 + (j > i ? j - 1 : j)] as (typeof verdicts)[number] }),
        ...(i === 1 && j === 2
          ? {
              adapter: {
                kind: "orthogonal" as const,
                sizeBytes: 65_768,
                samples: 300,
                points: [
                  {
                    far,
                    tar: estimate(0.972, 0.009),
                    threshold: 0.3312,
                    drop: estimate(0.001, 0.002),
                    inUse: { threshold: 0.33, tar: 0.9722, realisedFar: 1.04e-3 },
                    genuine: 4414,
                    impostor: 7_260_000,
                    verdict: "adapter suffices" as const,
                  },
                ],
                gain: estimate(0.006, 0.003),
                suffices: true,
                tried: [{ kind: "orthogonal" as const, tar: 0.972 }],
              },
            }
          : {}),
      })),
    ),
    verdict: "Templates stay: FP32 and INT8 templates can be mixed at the threshold in use",
    convention: "each image enrolled by the gallery model against every other image probed by the probe model",
  };
}

/** Made-up findings of the layer comparison. */
export function exampleFindings(tensors: readonly string[]): Pick<LayerComparison, "worst" | "hints"> {
  const at = tensors[3] ?? "";
  return {
    worst: [
      { input: "images/Example_0001.jpg", cosine: 0.9871, firstWrong: { tensor: at, op: "Conv", times: 3.4 } },
      { input: "images/Example_0002.jpg", cosine: 0.9902 },
    ],
    hints: [
      {
        rule: "saturation",
        at,
        says: "Give it a wider range",
        evidence: "1.2 % of its values lie above the range",
        measured: { samples: 16, sqnrDb: 23.1, sqnrDbBefore: 22.2, cosine: 0.9962, cosineBefore: 0.9951 },
      },
      { rule: "float-island", says: "Keep fewer nodes in float", evidence: "33 PRelu between 66 conversions" },
    ],
  };
}

/** Everything that a search adds to a report. */
export function withExampleSearch(report: OptimizeReport, about: SearchOfExample): OptimizeReport {
  return {
    ...report,
    search: exampleSearch(about),
    wholeData: exampleWholeData(about),
    candidates: report.candidates.map((c) => (c.id === about.searched ? { ...c, cohorts: exampleCohorts(about.far) } : c)),
  };
}
