import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../../base/error.ts";
import { decodeMessage } from "../protobuf/decode.ts";
import type { MessageRecord, MessageTable } from "../protobuf/table.ts";
import { ATTRIBUTE, GRAPH, NODE, TENSOR, TENSOR_SHAPE } from "./schema.ts";

// A file of its own, so that it runs in a process of its own: what is measured is the highest memory the process ever had.

const MAX_GROWTH_BYTES = 512e6;

const startBytes = process.memoryUsage.rss();

/** How far resident memory has ever risen above what it was before the first file, in bytes. */
const growthBytes = (): number => process.resourceUsage().maxRSS * 1024 - startBytes;

/** The same few bytes over and over, 16 MB of them. */
function over(unit: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.floor(2 ** 24 / unit.length) * unit.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = unit[i % unit.length] ?? 0;
  return bytes;
}

/** Collects what earlier files left behind, so that only the one at hand is measured. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
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
    collectGarbage();
    try {
      decodeMessage(table, over(unit));
    } catch (error) {
      expect(isTesseraError(error) && error.code).toBe("LIMIT_EXCEEDED");
    }
    expect(growthBytes()).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
