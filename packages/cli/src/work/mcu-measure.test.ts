import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { smallInt8File } from "@tessera/testkit/small-int8";
import { describe, expect, test, vi } from "vitest";
import { buildMcu, type McuBuilt } from "./mcu-build.ts";
import { MCU_CPUS } from "./mcu-cpus.ts";
import { constantKindOf, measureMcu } from "./mcu-measure.ts";
import { mcuSource } from "./mcu-model.ts";
import { mcuVectors, usualVectors } from "./mcu-vectors.ts";

vi.setConfig({ testTimeout: 240_000 });

const options = { cpu: MCU_CPUS.generic, stream: "auto", name: "small", modelSha256: "", ramBytes: 0 } as const;
const built = buildMcu(mcuSource(modelFromTflite(smallInt8File())), options).built as McuBuilt;

describe("what ran is held against the interpreter", () => {
  test("value by value: one wrong answer is one difference", async ({ skip }) => {
    const vectors = mcuVectors(built.original, 3, 1);
    const none = { flashBytes: 0, ramBytes: 0, stackBytes: 4096, signal: new AbortController().signal };
    const right = await measureMcu(built.emitted, vectors, MCU_CPUS.generic, none);
    if (right.verified.length === 0) skip(right.notMeasured ?? "");
    expect(right.verified[0]).toMatchObject({ inputs: 3, compared: 12, different: 0 });
    const [first, ...rest] = vectors.outputs.map((o) => Uint8Array.from(o));
    (first as Uint8Array)[2] = ((first as Uint8Array)[2] as number) ^ 1;
    const wrong = { ...vectors, outputs: [first as Uint8Array, ...rest] };
    expect((await measureMcu(built.emitted, wrong, MCU_CPUS.generic, none)).verified[0]?.different).toBe(1);
  });

  test("on the same vectors for a seed, the ends of the range among them, fewer for large networks", () => {
    const vectors = mcuVectors(built.original, 4, 7);
    expect(mcuVectors(built.original, 4, 7)).toEqual(vectors);
    expect(mcuVectors(built.original, 4, 8).inputs[0]).not.toEqual(vectors.inputs[0]);
    expect(new Set(vectors.inputs[2])).toEqual(new Set([128]));
    expect(new Set(vectors.inputs[3])).toEqual(new Set([127]));
    expect(usualVectors(built.original)).toBe(8);
  });
});

describe("constants of the emitted files", () => {
  test("are told apart by their names, and every name that the emitter gives is known", () => {
    const names = [...(built.emitted.files.get("small_weights.h") ?? "").matchAll(/ (small_[a-z]\d+)\[/g)].map(
      ([, name]) => name as string,
    );
    expect(names.length).toBeGreaterThan(8);
    expect(new Set(names.map(constantKindOf))).toEqual(new Set(["weights", "tables"]));
    expect(["kws_w12", "kws_b0", "kws_t3", "memcpy"].map(constantKindOf)).toEqual(["weights", "tables", "rodata", "rodata"]);
  });
});
