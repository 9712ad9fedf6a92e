import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { parseCsv } from "@tessera/core/biometrics/csv";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { calibrationSamples } from "@tessera/core/modality/keystroke/calibration";
import type { PublishedRates } from "@tessera/core/modality/keystroke/detector";
import { detectorModel } from "@tessera/core/modality/keystroke/detector-model";
import { DETECTORS, type DetectorId, trainDetector } from "@tessera/core/modality/keystroke/detectors";
import {
  type Attempts,
  attemptsOf,
  evaluateDetector,
  halfProtocol,
  KEYSTROKE_CONVENTION,
  type KeystrokeProtocol,
  type OverUsers,
  type UserResult,
} from "@tessera/core/modality/keystroke/protocol";
import { readKeystrokeSet } from "@tessera/core/modality/keystroke/read-set";
import { type KeystrokeSet, rowOf, selectFeatures, TIMING_KINDS } from "@tessera/core/modality/keystroke/samples";
import { readText, sha256, writeFile } from "../io/files.ts";
import type { Progress } from "../ui/progress.ts";

/** Which features are used: the times that every keyboard gives, or everything that was measured. */
export const FEATURE_CHOICES = ["timing", "all"] as const;

/** What `tessera keystroke` is asked. */
export interface KeystrokeRequest {
  readonly path: string;
  readonly detectors: readonly DetectorId[];
  readonly features: (typeof FEATURE_CHOICES)[number];
  readonly train?: number | undefined;
  readonly impostors?: number | undefined;
  readonly seed: number;
  readonly export?: { readonly file: string; readonly user: string; readonly calibration?: string | undefined } | undefined;
}

/** One detector's line. */
export interface KeystrokeRow {
  readonly detector: DetectorId;
  readonly title: string;
  readonly source: string;
  readonly eer: OverUsers;
  readonly zeroMissFalseAlarm: OverUsers;
  /** What the paper has for it on the CMU set. */
  readonly published: PublishedRates;
  readonly users: readonly UserResult[];
}

/** What `tessera keystroke` found. */
export interface KeystrokeReport {
  readonly kind: "keystroke-report";
  readonly set: {
    readonly name: string;
    readonly file: string;
    readonly sha256: string;
    readonly people: number;
    readonly samples: number;
    readonly features: number;
  };
  readonly protocol: KeystrokeProtocol;
  readonly convention: string;
  /** Lowest mean EER first. */
  readonly rows: readonly KeystrokeRow[];
  readonly best: DetectorId;
  readonly exported?: {
    readonly file: string;
    readonly user: string;
    readonly detector: DetectorId;
    readonly sizeBytes: number;
    readonly sha256: string;
    readonly calibration?: { readonly folder: string; readonly samples: number };
  };
}

/** A table, or the one that a folder's manifest names. @throws IO, DATASET_INVALID */
function readSet(path: string): { readonly file: string; readonly text: string; readonly set: KeystrokeSet } {
  if (!existsSync(path) || !statSync(path).isDirectory()) {
    const text = readText(path);
    return { file: path, text, set: readKeystrokeSet(text, { file: path }) };
  }
  const manifest = readText(join(path, "manifest.csv"));
  const { header, rows } = parseCsv(manifest, { file: join(path, "manifest.csv") });
  const named = new Set(rows.map((row) => row[header.indexOf("path")]));
  const [only] = named;
  if (named.size !== 1 || only === undefined || /(^|[/\\])\.\.([/\\]|$)|^[/\\]/.test(only))
    throw fail(
      "DATASET_INVALID",
      `Cannot read ${path}: its manifest must name one table inside the folder, and names ${named.size}`,
    );
  const file = join(path, only);
  const text = readText(file);
  return { file, text, set: readKeystrokeSet(text, { file, manifest }) };
}

/** Evaluates detectors on a table of typed passwords and exports one person's. @throws DATASET_INVALID, INSUFFICIENT_DATA, USAGE, IO */
export async function evaluateKeystrokes(
  request: KeystrokeRequest,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<KeystrokeReport> {
  const { file, text, set: whole } = readSet(request.path);
  const set = request.features === "all" ? whole : selectFeatures(whole, TIMING_KINDS);
  const half = halfProtocol(set);
  const protocol = { train: request.train ?? half.train, impostors: request.impostors ?? half.impostors };
  // Minutes of training must not end in a misspelt name.
  if (request.export !== undefined) requirePerson(set, request.export.user);
  const rows: KeystrokeRow[] = [];
  for (const detector of request.detectors) {
    progress.stage(`training ${detector} for ${set.subjects.length} people`);
    // Training is on this thread: Ctrl-C must get through.
    await new Promise((done) => setImmediate(done));
    signal.throwIfAborted();
    const { eer, zeroMissFalseAlarm, users } = evaluateDetector(set, detector, { protocol, seed: request.seed });
    const { title, source, published } = DETECTORS[detector];
    rows.push({ detector, title, source, eer, zeroMissFalseAlarm, published, users });
  }
  await new Promise((done) => setImmediate(done));
  signal.throwIfAborted();
  rows.sort((a, b) => a.eer.mean - b.eer.mean);
  const best = (rows[0] as KeystrokeRow).detector;
  return {
    kind: "keystroke-report",
    set: {
      name: set.name,
      file,
      sha256: sha256(text),
      people: set.subjects.length,
      samples: set.subjects.reduce((sum, s) => sum + s.samples.rows, 0),
      features: set.features.length,
    },
    protocol,
    convention: KEYSTROKE_CONVENTION,
    rows,
    best,
    ...(request.export === undefined
      ? {}
      : { exported: exportDetector(set, protocol, { ...request.export, detector: best, seed: request.seed }) }),
  };
}

/** @throws USAGE when there is no such person */
function requirePerson({ subjects }: KeystrokeSet, user: string): void {
  if (subjects.some(({ id }) => id === user)) return;
  const some = subjects.slice(0, 5).map((s) => s.id);
  throw fail(
    "USAGE",
    `Cannot export the detector of "${user}": there is no such person; there are ${some.join(", ")}${subjects.length > 5 ? " ..." : ""}`,
    { hint: "Name one of them with --user" },
  );
}

function exportDetector(
  set: KeystrokeSet,
  protocol: KeystrokeProtocol,
  of: NonNullable<KeystrokeRequest["export"]> & { readonly detector: DetectorId; readonly seed: number },
): NonNullable<KeystrokeReport["exported"]> {
  const person = attemptsOf(set, protocol).find(({ subject }) => subject === of.user) as Attempts;
  const bytes = modelToOnnx(detectorModel(trainDetector(of.detector, person.train, { seed: of.seed })));
  writeFile(of.file, bytes);
  const written = { file: of.file, user: of.user, detector: of.detector, sizeBytes: bytes.length, sha256: sha256(bytes) };
  if (of.calibration === undefined) return written;
  const samples = calibrationSamples(person.train);
  for (let i = 0; i < samples.rows; i++) {
    const { buffer } = Float32Array.from(rowOf(samples, i));
    writeFile(join(of.calibration, `${String(i).padStart(4, "0")}.f32`), new Uint8Array(buffer));
  }
  return { ...written, calibration: { folder: of.calibration, samples: samples.rows } };
}
