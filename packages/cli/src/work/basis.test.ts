import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { Candidate } from "@tessera/core/protocol/report";
import { targetById } from "@tessera/core/targets/table";
import { exampleReport } from "@tessera/testkit/report-fixture";
import { convFile } from "@tessera/testkit/runtime-models";
import { describe, expect, test } from "vitest";
import { basisOf } from "./basis.ts";

const { machine, candidates: examples } = exampleReport();
const plain = modelFromOnnx(convFile());
const runtime: Runtime = { id: "litert", version: "9.9", formats: ["tflite"], load: () => Promise.reject(new Error("not run")) };
const MACS = 16 * 8 * 9 * 24 * 24;

const delegation = { delegated: 3, total: 4, fallback: [{ op: "PRELU", count: 1 }], runtime: "tfjs-tflite 0.0.1" };
const candidates: readonly Candidate[] = examples.map((c) =>
  c.scheme === "static-int8" ? { ...c, fusion: { integer: [], transposes: 0, quantizeNodes: 0, islands: [], delegation } } : c,
);
const of = (id: string) => basisOf({ target: targetById(id), runtime }, { machine, plain, candidates }).basis;

describe("what figures rest on", () => {
  test("needs no words where the target is ONNX Runtime, and is simply this machine for LiteRT", () => {
    expect(of("ort-x64")).toBeUndefined();
    expect(of("litert")).toMatchObject({ deviceIsElsewhere: false, predicted: [], unknown: [] });
    expect(of("litert")?.measured).toContain("litert 9.9");
  });

  test("is said apart for a board: what was measured here, and bounds and facts with their source", () => {
    const basis = of("rpi4");
    expect(basis?.deviceIsElsewhere).toBe(true);
    expect(basis?.measured).toContain("nothing was measured on rpi4");
    expect(basis?.unknown.join()).toContain("latency on rpi4");
    const [bound, memory, ...kernels] = basis?.predicted ?? [];
    // 663,552 multiply-accumulates over 4 floats or 8 bytes a cycle at 1.5 GHz.
    expect(bound?.says).toContain(`at least ${((MACS / 6e9) * 1000).toPrecision(3)} ms in float32`);
    expect(bound?.says).toContain(`${((MACS / 12e9) * 1000).toPrecision(3)} ms in int8`);
    expect(memory?.says).toContain("at least");
    expect(kernels.map((k) => k.says).join()).toContain("XNNPACK takes 3 of 4 operators; slower kernels compute 1 PRELU");
    // No time of this machine is among what is expected of the board.
    const times = candidates.map((c) => c.latency.p50Ms.toPrecision(3));
    for (const { says } of basis?.predicted ?? []) for (const time of times) expect(says).not.toContain(`${time} ms`);
  });
});
