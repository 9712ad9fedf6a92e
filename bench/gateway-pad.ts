/**
 * Liveness through the whole pipeline of the gateway: P(real) of MiniFASNet on the presentation attacks of the shared folder, per source, and on LFW
 * photographs as living faces; how many captures quality refuses before. From the root, after bench/gateway-models.ts:
 *
 *   npx tsx --conditions=source bench/gateway-pad.ts --models FOLDER [--kind int8] [--threshold .5] [--json FILE]
 *
 * The attacks are crops, tighter than the 2.7 times the box that the network wants, all replayed from screens, and differ from the living faces in
 * camera and session as well: this says how the pipeline behaves on them, not how good the network is.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { padAt } from "@tessera/core/biometrics/pad";
import { openPipeline } from "@tessera/gateway/pipeline/open";
import { sharedDir } from "@tessera/testkit/shared";

const { values: flags } = parseArgs({
  options: {
    models: { type: "string" },
    kind: { type: "string", default: "int8" },
    threshold: { type: "string", default: "0.5" },
    json: { type: "string" },
  },
});
const shared = sharedDir();
if (shared === undefined || flags.models === undefined) throw new Error("needs the shared folder, and --models FOLDER");
const folder = join(flags.models, flags.kind);
const model = (name: string) => ({ model: join(folder, `${name}.onnx`), card: join(folder, `${name}.card.json`) });
const pipeline = await openPipeline({
  // Every threshold is passed, so that P(real) of all is seen; it is applied below.
  face: { detector: model("detector"), liveness: { ...model("liveness"), threshold: 0 }, embedder: model("face") },
});

interface Capture {
  readonly path: string;
  readonly group: string;
  readonly attack: boolean;
}

const rows = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
const pad = join(shared, "data/face-pad");
const lfw = join(shared, "data/lfw");
const captures: Capture[] = [
  ...rows(join(pad, "manifest.csv")).map(([path = "", source = "", label]) => ({
    path: join(pad, path),
    group: source,
    attack: label === "attack",
  })),
  ...rows(join(lfw, "manifest.csv"))
    .filter(([, , , role]) => role === "calib")
    .map(([path = ""]) => ({ path: join(lfw, path), group: "lfw", attack: false })),
];

const threshold = Number(flags.threshold);
const seen: { readonly group: string; readonly attack: boolean; readonly real?: number; readonly note?: string }[] = [];
await Promise.all(
  [0, 1].map(async (lane) => {
    for (const [i, { path, group, attack }] of captures.entries()) {
      if (i % 2 !== lane) continue;
      const probe = await pipeline.probe("face", readFileSync(path));
      const note = probe.notes[0]?.code;
      seen.push({ group, attack, ...(probe.liveness && { real: probe.liveness.real }), ...(note && { note }) });
    }
  }),
);
await pipeline.close();

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const groups = [...new Set(seen.map((s) => s.group))].sort();
const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;
say(`P(real) of ${flags.kind}: quantiles 5, 25, 50, 75, 95 %; taken for living at ${threshold}; refused by quality before`);
const table = [];
for (const group of groups)
  for (const attack of [false, true]) {
    const of = seen.filter((s) => s.group === group && s.attack === attack);
    if (of.length === 0) continue;
    const real = of.flatMap((s) => (s.real === undefined ? [] : [s.real]));
    const notes: Record<string, number> = {};
    for (const { note } of of) if (note !== undefined) notes[note] = (notes[note] ?? 0) + 1;
    const row = {
      group,
      attack,
      count: of.length,
      judged: real.length,
      notes,
      living: real.filter((p) => p >= threshold).length,
      quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => quantile(real, share)),
    };
    table.push(row);
    say(
      `${group} ${attack ? "attack " : "living "} ${row.quantiles.map((q) => q.toFixed(3)).join(" ")}   ${row.living} of ${row.judged}   ${JSON.stringify(notes)}`,
    );
  }
const padSources = seen.filter((s) => s.group !== "lfw");
const reals = (attack: boolean) => Float64Array.from(padSources.filter((s) => s.attack === attack).flatMap((s) => s.real ?? []));
const point = padAt({ bonaFide: reals(false), attacks: new Map([["screen_replay", reals(true)]]) }, threshold);
const percent = (rate: { readonly rate: number; readonly interval: { readonly low: number; readonly high: number } }) =>
  `${(100 * rate.rate).toFixed(1)} % (${(100 * rate.interval.low).toFixed(1)}..${(100 * rate.interval.high).toFixed(1)})`;
say(`face-pad, all sources: APCER ${percent(point.apcer)} of replays, BPCER ${percent(point.bpcer)}`);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ threshold, table, point }, undefined, 2)}\n`);
