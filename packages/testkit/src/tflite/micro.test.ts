import { readFileSync } from "node:fs";
import { join } from "node:path";
import { planOffline } from "@tessera/core/codegen/tflm/offline";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import { microTflite } from "@tessera/core/convert/tflite/storage/micro";
import { arenaTensors, OFFLINE_PLAN, withOfflinePlan } from "@tessera/core/convert/tflite/storage/offline-plan";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";

const shared = sharedDir();

function microFile(name: string) {
  const bytes = new Uint8Array(readFileSync(join(shared ?? "", "models/mcu", name)));
  const { model, plan } = modelFromTflite(bytes);
  const { records } = lowerTflite(model, { ...(plan && { plan }), io: "integer", recurrent: "sequence" });
  return { whole: records, records: microTflite(records) };
}

describe.skipIf(shared === undefined)("a file for TensorFlow Lite for Microcontrollers (needs ../shared)", () => {
  test.each([
    ["mlperf-tiny-kws-dscnn-int8.tflite", 30_208],
    ["mlperf-tiny-vww-mobilenet-int8.tflite", 238_256],
  ])("%s is as small as %i bytes with its plan, with the same weights", (name, bytes) => {
    const { records, whole } = microFile(name);
    const { offsets } = planOffline(arenaTensors(records), []);
    const file = writeTflite(withOfflinePlan(records, offsets), { share: true });
    expect(file.length).toBeLessThanOrEqual(bytes);
    const weights = ({ subgraphs, buffers }: TfliteDraft): readonly string[] =>
      (subgraphs?.[0]?.tensors ?? [])
        .filter((t) => t.type === TENSOR_TYPES.INT8)
        .flatMap((t) => [String(buffers?.[t.buffer ?? 0]?.data ?? "")].filter((text) => text !== ""))
        .sort();
    expect(weights(readTflite(file)).length).toBeGreaterThan(9);
    expect(weights(readTflite(file))).toEqual(weights(whole));
  });

  test("carries an offset for each tensor that lives in the arena, and -1 for constants and states", () => {
    const { records } = microFile("tflm-mnist-lstm-int8.tflite");
    const tensors = arenaTensors(records);
    const { offsets } = planOffline(tensors, []);
    const file = readTflite(writeTflite(withOfflinePlan(withOfflinePlan(records, new Map()), offsets), { share: true }));
    const entries = (file.metadata ?? []).filter(({ name }) => name === OFFLINE_PLAN);
    expect(entries).toHaveLength(1);
    const data = file.buffers?.[entries[0]?.buffer ?? 0]?.data as Uint8Array;
    const words = Array.from({ length: data.length / 4 }, (_, i) =>
      new DataView(data.buffer, data.byteOffset).getInt32(4 * i, true),
    );
    const count = file.subgraphs?.[0]?.tensors?.length ?? 0;
    expect(words.slice(0, 3)).toEqual([1, 0, count]);
    expect(words.slice(3)).toEqual(Array.from({ length: count }, (_, i) => offsets.get(i) ?? -1));
    const states = (file.subgraphs?.[0]?.tensors ?? []).flatMap((t, i) => (t.isVariable ? [i] : []));
    expect(states).toHaveLength(2);
    for (const state of states) expect(words[3 + state]).toBe(-1);
  });

  test("takes no offset that the interpreter would refuse", () => {
    const { records } = microFile("mlperf-tiny-kws-dscnn-int8.tflite");
    expect(() => withOfflinePlan(records, new Map([[0, 8]]))).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
