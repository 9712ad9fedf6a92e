import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodePnm } from "@tessera/core/signal/pnm";
import { decodeImage, encodePng } from "@tessera/media/images";
import { sharedModels } from "@tessera/testkit/gateway-samples";
import { probeDamaged } from "@tessera/testkit/hostile-captures";
import { sharedDir } from "@tessera/testkit/shared";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPipeline } from "./open.ts";
import type { Pipeline } from "./pipeline.ts";

const shared = sharedDir() ?? "";

describe.skipIf(shared === "")("thousands of damaged captures through published networks (needs ../shared)", () => {
  let pipeline: Pipeline;

  beforeAll(async () => {
    pipeline = await openPipeline(sharedModels(shared));
  });

  afterAll(() => pipeline?.close());

  test("pictures", async () => {
    const jpeg = readFileSync(join(shared, "data/lfw/images/Aaron_Sorkin/Aaron_Sorkin_0001.jpg"));
    const image = await decodeImage(jpeg);
    const pgm = readFileSync(join(shared, "data/orl/images/s01/1.pgm"));
    const files = [jpeg, await encodePng(image), encodePnm(image), pgm].map((file) => new Uint8Array(file));
    const tally = await probeDamaged(pipeline, files, { modality: "face", count: 4000, seed: 10_000 });
    expect(tally["unreadable"]).toBeGreaterThan(500);
    expect(tally["usable"]).toBeGreaterThan(100);
  });

  test("recordings", async () => {
    const speech = readFileSync(join(shared, "data/voice-librispeech/wav/367/367-130732-0000.wav"));
    const digit = readFileSync(join(shared, "data/voice-fsdd/manifest.csv"), "utf8").split("\n")[1]?.split(",")[0] ?? "";
    const files = [speech.subarray(0, 40_000), speech.subarray(0, 100), readFileSync(join(shared, "data/voice-fsdd", digit))].map(
      (file) => new Uint8Array(file),
    );
    const tally = await probeDamaged(pipeline, files, { modality: "voice", count: 4000, seed: 20_000 });
    expect(tally["unreadable"]).toBeGreaterThan(500);
    expect(tally["usable"]).toBeGreaterThan(100);
  });
});
