import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePnm } from "@tessera/core/signal/pnm";
import { soundOf } from "@tessera/core/signal/sound";
import { encodeWav } from "@tessera/core/signal/wav";
import { encodePng } from "@tessera/media/images";
import { fakeFace, fakeVoice, writeGatewayModels } from "@tessera/testkit/gateway-models";
import { probeDamaged } from "@tessera/testkit/hostile-captures";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPipeline } from "./open.ts";
import type { Pipeline } from "./pipeline.ts";

let folder: string;
let pipeline: Pipeline;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tessera-hostile-"));
  pipeline = await openPipeline({ ...writeGatewayModels(folder), limits: { maxPixels: 200_000, maxSide: 320, maxSeconds: 5 } });
});

afterAll(async () => {
  await pipeline.close();
  rmSync(folder, { recursive: true, force: true });
});

test("damaged pictures are answered, every one", { timeout: 120_000 }, async () => {
  const image = fakeFace({ person: 1, side: 96 });
  const raw = { raw: { width: image.width, height: image.height, channels: 3 as const } };
  const jpeg = await sharp(image.data, raw).jpeg().toBuffer();
  const progressive = await sharp(image.data, raw).withMetadata({ orientation: 6 }).jpeg({ progressive: true }).toBuffer();
  const palette = await sharp(image.data, raw).png({ palette: true }).toBuffer();
  const files = [jpeg, progressive, await encodePng(image), palette, encodePnm(image)].map((file) => new Uint8Array(file));
  const tally = await probeDamaged(pipeline, files, { modality: "face", count: 200, seed: 100 });
  expect(tally["unreadable"]).toBeGreaterThan(50);
  expect(tally["usable"]).toBeGreaterThan(10);
});

test("damaged recordings are answered, every one", async () => {
  const sound = fakeVoice({ person: 1, seconds: 0.8 });
  // A file of little but its header, too, so that most damage is there.
  const tiny = encodeWav(soundOf(16_000, sound.samples.subarray(4000, 4030)));
  const files = [encodeWav(sound), encodeWav(fakeVoice({ person: 2, rateHz: 8000, seconds: 0.8 })), tiny];
  const tally = await probeDamaged(pipeline, files, { modality: "voice", count: 200, seed: 500 });
  expect(tally["unreadable"]).toBeGreaterThan(20);
  expect(tally["usable"]).toBeGreaterThan(50);
});
