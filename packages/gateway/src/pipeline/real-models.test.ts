import { readFileSync } from "node:fs";
import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { sharedModels } from "@tessera/testkit/gateway-samples";
import { sharedDir } from "@tessera/testkit/shared";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPipeline } from "./open.ts";
import type { Pipeline, Probe } from "./pipeline.ts";

const shared = sharedDir() ?? "";

describe.skipIf(shared === "")("published networks through the pipeline (needs ../shared)", () => {
  let pipeline: Pipeline;

  beforeAll(async () => {
    pipeline = await openPipeline(sharedModels(shared));
  });

  afterAll(() => pipeline?.close());

  const rows = (path: string) =>
    readFileSync(join(shared, "data", path), "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(","));
  const face = (path: string) => pipeline.probe("face", readFileSync(join(shared, "data", path)));
  const cosine = (a: Probe, b: Probe) =>
    [...(a.embedding ?? [])].reduce((sum, v, i) => sum + v * (b.embedding?.[i] ?? Number.NaN), 0);

  test("pictures of one person are alike and those of different people are not", async () => {
    // Threshold of FAR 1e-3 of this network on other folds, rounded up.
    const threshold = 0.35;
    const pairs = rows("lfw/pairs.csv").filter(([fold]) => fold === "5");
    const chosen = ["1", "0"].flatMap((genuine) => pairs.filter((row) => row[3] === genuine).slice(0, 12));
    const tally = { genuine: 0, accepted: 0, impostors: 0, wrong: 0 };
    for (const [, a = "", b = "", genuine] of chosen) {
      const [first, second] = await Promise.all([face(join("lfw", a)), face(join("lfw", b))]);
      if (!first.embedding || !second.embedding) continue;
      const match = cosine(first, second) >= threshold;
      if (genuine === "1") {
        tally.genuine++;
        if (match) tally.accepted++;
      } else {
        tally.impostors++;
        if (match) tally.wrong++;
      }
    }
    expect(tally.wrong).toBe(0);
    // Some of these photographs have several faces, and the liveness network does not take all of them for living.
    expect(tally.impostors).toBeGreaterThanOrEqual(3);
    expect(tally.genuine).toBeGreaterThanOrEqual(3);
    expect(tally.accepted).toBeGreaterThanOrEqual(tally.genuine - 1);
  });

  test("replays from a screen are told from living faces where the network can, and never get a vector", async () => {
    const manifest = rows("face-pad/manifest.csv").filter(([, source]) => source === "wol");
    const probes = async (label: string) => {
      const of = manifest.filter((row) => row[2] === label);
      // Evenly over the source.
      const some = Array.from({ length: 10 }, (_, i) => at(of, Math.floor((i * of.length) / 10)));
      return Promise.all(some.map(([path = ""]) => face(join("face-pad", path))));
    };
    const attacks = await probes("attack");
    const living = await probes("bona_fide");
    expect(attacks.filter((probe) => probe.embedding).length).toBeLessThanOrEqual(1);
    expect(living.filter((probe) => probe.embedding).length).toBeGreaterThanOrEqual(8);
    for (const probe of [...attacks, ...living]) expect(probe.embedding !== undefined).toBe(probe.liveness?.passed === true);
  });

  test("speech is found in read sentences and not in silence around them", async () => {
    const [path = ""] = at(rows("voice-librispeech/manifest.csv"), 0);
    const probe = await pipeline.probe("voice", readFileSync(join(shared, "data/voice-librispeech", path)));
    expect(probe.notes).toEqual([]);
    expect(probe.embedding).toHaveLength(256);
    expect(probe.quality.speechSeconds).toBeGreaterThan(1);
    expect(probe.quality.speechSeconds).toBeLessThan((probe.quality.seconds ?? 0) - 0.2);
  });
});
