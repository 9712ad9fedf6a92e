import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutateProtobuf } from "@tessera/testkit/mutate-protobuf";
import { exoticOnnxModel, smallOnnxModel, withoutWeights } from "@tessera/testkit/onnx-records";
import { fuzzReader, type ReaderFuzzReport } from "@tessera/testkit/reader-fuzz";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../../base/error.ts";
import type { Random } from "../../base/random.ts";
import { decodeMessage } from "../protobuf/decode.ts";
import type { MessageRecord, MessageTable } from "../protobuf/table.ts";
import { readOnnx } from "./read.ts";
import { ATTRIBUTE, GRAPH, MODEL, NODE, TENSOR, TENSOR_SHAPE } from "./schema.ts";
import { writeOnnx } from "./write.ts";

const MAX_GROWTH_BYTES = 512e6;
const MAX_HANG_MS = 2000;

const startBytes = process.memoryUsage.rss();

/** How far resident memory has ever risen above what it was before the first file, in bytes. */
const growthBytes = (): number => process.resourceUsage().maxRSS * 1024 - startBytes;

/** Two models built here, and the real ones where they are there, whole and without their weights. */
function seeds(): { readonly built: Uint8Array[]; readonly stripped: Uint8Array[]; readonly whole: Uint8Array[] } {
  const built = [writeOnnx(smallOnnxModel()), writeOnnx(exoticOnnxModel())];
  const shared = sharedDir();
  if (shared === undefined) return { built, stripped: built, whole: built };
  const names = readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".onnx"),
  );
  const whole = names.map((name) => new Uint8Array(readFileSync(join(shared, "models", name))));
  return { built, stripped: whole.map((file) => writeOnnx(withoutWeights(readOnnx(file)))), whole };
}

function roundTrip(bytes: Uint8Array): void {
  if (Buffer.compare(writeOnnx(readOnnx(bytes)), bytes) !== 0) throw new Error("other bytes came out");
}

function refusals(report: ReaderFuzzReport): number {
  return Object.values(report.refused).reduce((sum, count) => sum + count, 0);
}

const damageContent = (file: Uint8Array, random: Random): Uint8Array => mutateProtobuf(MODEL, file, random);

describe("damaged ONNX files, many", () => {
  const { built, stripped, whole } = seeds();

  it("200,000 of them do no harm", () => {
    const runs: ReaderFuzzReport[] = [
      fuzzReader({ files: built, count: 98_000, seed: 1000, read: roundTrip }),
      fuzzReader({ files: stripped, count: 50_000, seed: 200_000, read: roundTrip }),
      fuzzReader({ files: built, count: 40_000, seed: 300_000, read: roundTrip, damage: damageContent }),
      fuzzReader({ files: stripped, count: 10_000, seed: 400_000, read: roundTrip, damage: damageContent }),
      fuzzReader({ files: whole, count: 2000, seed: 500_000, read: roundTrip }),
    ];
    for (const report of runs) {
      expect(report.slowestMs).toBeLessThan(MAX_HANG_MS);
      expect(report.read).toBeGreaterThan(100);
    }
    expect(runs.reduce((sum, report) => sum + report.read + refusals(report), 0)).toBe(200_000);
    expect(growthBytes()).toBeLessThan(MAX_GROWTH_BYTES);
  });
});

/** The same few bytes over and over, 16 MB of them. */
function over(unit: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.floor(2 ** 24 / unit.length) * unit.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = unit[i % unit.length] ?? 0;
  return bytes;
}

describe("files of 16 MB that are all of one thing", () => {
  it.each<[string, MessageTable<MessageRecord>, number[]]>([
    ["empty nodes", GRAPH, [0x0a, 0]],
    ["nodes with two inputs of no name", GRAPH, [0x0a, 4, 0x0a, 0, 0x0a, 0]],
    ["nodes with every list", GRAPH, [0x0a, 12, 0x0a, 0, 0x12, 0, 0x1a, 0, 0x2a, 0, 0x4a, 0, 0x52, 0]],
    ["nodes with a field twice", GRAPH, [0x0a, 4, 0x1a, 0, 0x1a, 0]],
    ["tensors with one number", GRAPH, [0x2a, 3, 0x3a, 1, 5]],
    ["tensors with no data", GRAPH, [0x2a, 2, 0x4a, 0]],
    ["dimensions", TENSOR_SHAPE, [0x0a, 2, 0x08, 1]],
    ["empty names", NODE, [0x0a, 0]],
    ["names that are not UTF-8", NODE, [0x0a, 2, 0xff, 0xfe]],
    ["names in Latin", NODE, [0x0a, 4, 0xc3, 0xa9, 0xc3, 0xa9]],
    ["empty strings of a tensor", TENSOR, [0x32, 0]],
    ["integers", ATTRIBUTE, [0x40, 1]],
    ["large integers", ATTRIBUTE, [0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["floats", ATTRIBUTE, [0x3d, 0, 0, 0x80, 0x3f]],
    ["floats with something else in between", ATTRIBUTE, [0x3d, 0, 0, 0x80, 0x3f, 0x18, 1]],
    ["unknown fields", NODE, [0xf8, 0x01, 1]],
    ["unknown fields with known ones in between", NODE, [0xf8, 0x01, 1, 0x1a, 0]],
    ["a tensor merged again and again", ATTRIBUTE, [0x2a, 3, 0x3a, 1, 5]],
    ["starts of groups", NODE, [0xfb, 0x01]],
    ["starts and ends of groups", NODE, [0xfb, 0x01, 0xfc, 0x01]],
  ])("%s stay within memory and are read or refused", (_, table, unit) => {
    try {
      decodeMessage(table, over(unit));
    } catch (error) {
      expect(isTesseraError(error) && error.code).toBe("LIMIT_EXCEEDED");
    }
    expect(growthBytes()).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
