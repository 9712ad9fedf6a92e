import { isTesseraError } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import { lowerOnnx } from "@tessera/core/convert/onnx/lower";
import { raiseOnnx } from "@tessera/core/convert/onnx/raise";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import type { ModelProto } from "@tessera/core/formats/onnx/records";
import { writeOnnx } from "@tessera/core/formats/onnx/write";
import { expect } from "vitest";
import { mutate } from "../mutate.ts";
import { exoticOnnxModel, smallOnnxModel } from "../onnx-records.ts";
import { mutateRecord } from "./mutate-record.ts";
import { oldFile } from "./old-file.ts";
import { UPGRADE_CASES } from "./upgrade-cases.ts";

function seeds(): ModelProto[] {
  const random = seededRandom(99);
  const old = UPGRADE_CASES.map((c) => {
    const opset = c.opsets[0] as number;
    return oldFile(c.make(random, opset), { opset, knowledge: "symbolic" });
  });
  const small = smallOnnxModel();
  const functions = exoticOnnxModel().functions ?? [];
  return [...old, small, small, exoticOnnxModel(), { ...small, functions }];
}

/** Raises, and holds what was raised to what a model must be: writable, readable, and the same when raised again. */
function raiseAndBack(record: ModelProto): "raised" | "refused" {
  let model: ReturnType<typeof raiseOnnx>;
  try {
    model = raiseOnnx(record, { externalData: () => new Uint8Array(64) });
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    return "refused";
  }
  let lowered: Uint8Array;
  try {
    lowered = writeOnnx(lowerOnnx(model));
  } catch (error) {
    // Records can hold numbers that the format cannot; a reader never gives those.
    if (!isTesseraError(error)) throw error;
    return "refused";
  }
  const again = raiseOnnx(readOnnx(lowered));
  expect(again.graph.nodes.map((n) => n.name)).toEqual(model.graph.nodes.map((n) => n.name));
  expect(Buffer.compare(writeOnnx(lowerOnnx(again)), lowered)).toBe(0);
  return "raised";
}

/** What became of damaged files. */
export interface FuzzCount {
  raised: number;
  refused: number;
  /** Bytes that were no file at all. */
  unread: number;
}

/** Damages records `count` times and raises them. */
export function fuzzRecords(count: number, seed: number): FuzzCount {
  const random = seededRandom(seed);
  const files = seeds();
  const found = { raised: 0, refused: 0, unread: 0 };
  for (let i = 0; i < count; i++) {
    let record = files[i % files.length] as ModelProto;
    for (let step = 1 + random.int(3); step > 0; step--) record = mutateRecord(record, random);
    found[raiseAndBack(record)]++;
  }
  return found;
}

/** Damages the bytes of files `count` times and raises those that can still be read. */
export function fuzzBytes(count: number, seed: number): FuzzCount {
  const random = seededRandom(seed);
  const files = seeds().map((record) => writeOnnx(record));
  const found = { raised: 0, refused: 0, unread: 0 };
  for (let i = 0; i < count; i++) {
    const { bytes } = mutate(files[i % files.length] as Uint8Array, random, { donors: files, maxBytes: 1 << 16, maxSteps: 1 });
    let record: ModelProto;
    try {
      record = readOnnx(bytes);
    } catch (error) {
      if (!isTesseraError(error)) throw error;
      found.unread++;
      continue;
    }
    found[raiseAndBack(record)]++;
  }
  return found;
}
