import type {
  Decision,
  EnrolAnswer,
  GatewayModality,
  ModalityAnswer,
  QualityFigures,
  StageTime,
} from "@tessera/core/protocol/gateway-api";
import { formatNumber } from "./format.ts";
import { MODALITIES, say } from "./sentences.ts";

/** One bar of the chart of stages: `start` and `share` are shares of the longest lane, 0..1. */
export interface StageBar {
  readonly stage: string;
  readonly lane: GatewayModality | "shared";
  readonly ms: number;
  readonly start: number;
  readonly share: number;
}

/**
 * The stages as bars, in the order given. Face and voice run side by side, so each modality has a lane of its own in which its stages follow each
 * other; what belongs to no modality begins where the longest lane so far ends.
 */
export function stageBars(stages: readonly StageTime[]): readonly StageBar[] {
  const ends: Record<StageBar["lane"], number> = { face: 0, voice: 0, shared: 0 };
  const placed = stages.map(({ stage, modality, ms }) => {
    const lane: StageBar["lane"] = modality ?? "shared";
    const start = lane === "shared" ? Math.max(ends.face, ends.voice, ends.shared) : Math.max(ends[lane], ends.shared);
    ends[lane] = start + ms;
    return { stage, lane, ms, start };
  });
  const longest = Math.max(ends.face, ends.voice, ends.shared);
  return placed.map((bar) => ({
    ...bar,
    start: longest > 0 ? bar.start / longest : 0,
    share: longest > 0 ? bar.ms / longest : 0,
  }));
}

/** A score beside its threshold. `at` and `thresholdAt` are places on a scale of 0..1 for drawing. */
export interface ScoreRow {
  readonly what: string;
  readonly score: number;
  readonly threshold?: number;
  readonly at: number;
  readonly thresholdAt?: number;
}

/** Every score in an answer; none for a caller who may not see them. Cosines lie on -1..1, probabilities on 0..1. */
export function scoreRows(answer: Decision | EnrolAnswer): readonly ScoreRow[] {
  const rows = answer.modalities.flatMap(({ modality, score, threshold, liveness }) => {
    const words = { modality: MODALITIES[modality] };
    const comparison = score === undefined ? [] : [row(say("scoreComparison", words), score, threshold, [-1, 1])];
    return liveness === undefined ? comparison : [...comparison, row(say("scoreLiveness", words), liveness, undefined, [0, 1])];
  });
  const fused = "fusedScore" in answer ? answer.fusedScore : undefined;
  return fused === undefined ? rows : [...rows, row(say("scoreFused"), fused, undefined, [-20, 20])];
}

function row(what: string, score: number, threshold: number | undefined, [low, high]: readonly [number, number]): ScoreRow {
  const place = (value: number): number => Math.max(0, Math.min(1, (value - low) / (high - low)));
  return {
    what,
    score,
    at: place(score),
    ...(threshold === undefined ? {} : { threshold, thresholdAt: place(threshold) }),
  };
}

/** Figures of quality with their units. */
const FIGURES = {
  faceShare: { says: "Share of the frame", show: percent },
  eyeDistance: { says: "Between the eyes", show: (v: number) => `${v.toFixed(0)} px` },
  box: undefined,
  yawDegrees: { says: "Turned", show: degrees },
  rollDegrees: { says: "Tilted", show: degrees },
  sharpness: { says: "Sharpness", show: (v: number) => v.toFixed(0) },
  brightness: { says: "Brightness, 0 to 255", show: (v: number) => v.toFixed(0) },
  seconds: { says: "Sound", show: (v: number) => `${v.toFixed(2)} s` },
  speechSeconds: { says: "Speech", show: (v: number) => `${v.toFixed(2)} s` },
  levelDb: { says: "Level", show: (v: number) => `${whole(v)} dBFS` },
  clippedShare: { says: "At full scale", show: percent },
} as const satisfies Record<keyof QualityFigures, { says: string; show: (value: number) => string } | undefined>;

function whole(value: number): string {
  return formatNumber(value, 0);
}

function degrees(value: number): string {
  return `${whole(value)}°`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 2 : 0)} %`;
}

/** A table of figures: a row each, a column for every capture of the modality. */
export interface QualityTable {
  readonly modality: GatewayModality;
  readonly count: number;
  readonly rows: readonly (readonly string[])[];
}

/** Figures of all captures, by modality; a figure that some capture lacks has an empty cell there. */
export function qualityTables(answers: readonly ModalityAnswer[]): readonly QualityTable[] {
  return (["face", "voice"] as const).flatMap((modality) => {
    const captures = answers.filter((answer) => answer.modality === modality).map((answer) => new Map(qualityFigures(answer)));
    const names = [...new Set(captures.flatMap((figures) => [...figures.keys()]))];
    if (names.length === 0) return [];
    const rows = names.map((name) => [name, ...captures.map((figures) => figures.get(name) ?? "")]);
    return [{ modality, count: captures.length, rows }];
  });
}

/** What was measured of a capture, in words and units, in a fixed order. */
export function qualityFigures({ quality }: Pick<ModalityAnswer, "quality">): readonly (readonly [string, string])[] {
  return (Object.keys(FIGURES) as (keyof QualityFigures)[]).flatMap((key) => {
    const value = quality[key];
    const figure = FIGURES[key];
    return figure === undefined || typeof value !== "number" ? [] : [[figure.says, figure.show(value)] as const];
  });
}
