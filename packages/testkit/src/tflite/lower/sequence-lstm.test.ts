import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { fromNumbers } from "@tessera/core/graph/tensor";
import { tfjsTfliteRuntime } from "@tessera/runtimes/tfjs-tflite";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { sharedDir } from "../../shared.ts";
import { expectCase, openRuntimes, type Runtimes } from "./on-runtimes.ts";
import { caseFeeds, caseModel, type LowerCase } from "./prove.ts";

const shared = sharedDir();

function load(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(shared ?? "", "models", name)));
}

const REFUSED = { LiteRT: "LiteRT for the web refuses files with variable tensors" } as const;

/** Values as an embedding of noise; `size` bytes of floats in 0..1. */
function floats(_: number, size: number): Uint8Array {
  return new Uint8Array(seededTensor("float32", [size / 4], { seed: 9, min: 0, max: 1 }).bytes);
}

function noise(_: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_v, i) => (97 * i + 13) & 255);
}

const lstm = fc
  .record({
    seq: fc.integer({ min: 1, max: 5 }),
    batch: fc.integer({ min: 1, max: 3 }),
    width: fc.integer({ min: 1, max: 4 }),
    hidden: fc.integer({ min: 1, max: 5 }),
    direction: fc.constantFrom("forward", "reverse", "bidirectional"),
    bias: fc.boolean(),
    lengths: fc.boolean(),
    peepholes: fc.boolean(),
    wanted: fc.constantFrom(["y", "h"], ["y", ""], ["", "h"]),
    seed: fc.nat(),
  })
  .map((c): LowerCase => {
    const dirs = c.direction === "bidirectional" ? 2 : 1;
    const make = (k: number, shape: readonly number[]) => seededTensor("float32", shape, { seed: c.seed + k, min: -1, max: 1 });
    return {
      op: "LSTM",
      attributes: { hidden_size: c.hidden, direction: c.direction },
      inputs: [
        make(1, [c.seq, c.batch, c.width]),
        make(2, [dirs, 4 * c.hidden, c.width]),
        make(3, [dirs, 4 * c.hidden, c.hidden]),
        c.bias ? make(4, [dirs, 8 * c.hidden]) : undefined,
        c.lengths
          ? fromNumbers(
              "int32",
              [c.batch],
              Array.from({ length: c.batch }, (_, b) => 1 + ((c.seed + b) % c.seq)),
            )
          : undefined,
        undefined,
        undefined,
        c.peepholes ? make(5, [dirs, 3 * c.hidden]) : undefined,
      ],
      constant: [1, 2, 3, 7],
      outputs: c.wanted,
    };
  });

let runtimes: Runtimes;
beforeAll(async () => {
  runtimes = await openRuntimes();
});

describe("LSTM as UNIDIRECTIONAL_SEQUENCE_LSTM", () => {
  it("computes what the reference interpreter says on tfjs-tflite, in both directions and with lengths", async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(lstm, async (c) => {
        const how = { lower: { recurrent: "sequence" }, except: REFUSED, tolerance: { absolute: 4e-6 } } as const;
        for (const op of await expectCase(runtimes, c, how)) seen.add(op);
      }),
      { numRuns: 40 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(["UNIDIRECTIONAL_SEQUENCE_LSTM", "REVERSE_SEQUENCE"]));
  }, 120_000);

  it("unrolled it runs on both runtimes", async () => {
    await fc.assert(
      fc.asyncProperty(lstm, async (c) => {
        await expectCase(runtimes, c, { tolerance: { absolute: 4e-6 } });
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it("is refused by LiteRT because of its variable tensors: any file with one is", async () => {
    const c = fc.sample(lstm, { numRuns: 1, seed: 1 })[0] as LowerCase;
    const { records } = lowerTflite(caseModel(c), { recurrent: "sequence" });
    await expect(runtimes.LiteRT.run(writeTflite(records), floats)).rejects.toThrow("Failed to load model from buffer");
    const plain = lowerTflite(caseModel({ op: "Abs", inputs: [seededTensor("float32", [4], { seed: 1 })] })).records;
    const [graph = {}] = plain.subgraphs ?? [];
    const variable = { shape: Int32Array.of(1), name: "unused", isVariable: true };
    const file = { ...plain, subgraphs: [{ ...graph, tensors: [...(graph.tensors ?? []), variable] }] };
    await expect(runtimes.LiteRT.run(writeTflite(file), floats)).rejects.toThrow("Failed to load model from buffer");
    await expect(runtimes.LiteRT.run(writeTflite(plain), floats)).resolves.toHaveLength(1);
  });
});

describe("the state of an LSTM in a file", () => {
  it("lives on from call to call where it is one operator, so that the second answer differs; unrolled, each call starts anew", async () => {
    const runtime = await tfjsTfliteRuntime({ worker: false });
    const c = fc
      .sample(lstm, { numRuns: 30, seed: 3 })
      .find((o) => o.outputs?.[0] === "y" && o.inputs[4] === undefined) as LowerCase;
    const answers = async (recurrent: "sequence" | "unrolled"): Promise<readonly (Uint8Array | undefined)[]> => {
      const session = await runtime.load(writeTflite(lowerTflite(caseModel(c), { recurrent }).records));
      const feeds = caseFeeds(c);
      const both = [(await session.run(feeds)).get("y")?.bytes, (await session.run(feeds)).get("y")?.bytes];
      await session.close();
      return both;
    };
    const [first, second] = await answers("unrolled");
    expect(second).toEqual(first);
    const [fresh, later] = await answers("sequence");
    expect(later).not.toEqual(fresh);
  });
});

describe.skipIf(shared === undefined)("the LSTMs of TFLite Micro's MNIST (skipped without the shared models)", () => {
  it("float: raised and lowered again, step by step it runs on LiteRT, which refused it, and as one operator it gives the same", async () => {
    const file = load("mcu/tflm-mnist-lstm-float32.tflite");
    const { model } = modelFromTflite(file);
    const [want] = await runtimes["tfjs-tflite"].run(file, floats);
    const expected = new Float32Array((want as Uint8Array).slice().buffer);
    const check = (got: readonly Uint8Array[]): void => {
      const values = new Float32Array((got[0] as Uint8Array).slice().buffer);
      expect(values.length).toBe(10);
      expected.forEach((v, i) => {
        expect(Math.abs((values[i] as number) - v)).toBeLessThan(1e-5);
      });
    };
    const unrolled = writeTflite(lowerTflite(model).records);
    check(await runtimes.LiteRT.run(unrolled, floats));
    check(await runtimes["tfjs-tflite"].run(unrolled, floats));
    const { records, report } = lowerTflite(model, { recurrent: "sequence" });
    expect(report.operators.get("UNIDIRECTIONAL_SEQUENCE_LSTM")).toBe(1);
    check(await runtimes["tfjs-tflite"].run(writeTflite(records), floats));
  });

  it("int8: raised with its plan and lowered again it gives the same bits", async () => {
    const file = load("mcu/tflm-mnist-lstm-int8.tflite");
    const { model, plan } = modelFromTflite(file);
    expect(plan).toBeDefined();
    const { records, report } = lowerTflite(model, {
      recurrent: "sequence",
      io: "integer",
      ...(plan !== undefined && { plan }),
    });
    expect(report.floatIslands).toEqual([]);
    const [before] = readTflite(file).subgraphs ?? [];
    expect([...report.operators.keys()].filter((op) => op.includes("QUANTIZE"))).toEqual([]);
    expect(before?.operators?.length).toBeGreaterThan(0);
    for (const fill of [noise, (_: number, size: number) => Uint8Array.from({ length: size }, (_v, i) => (31 * i) & 255)])
      expect(await runtimes["tfjs-tflite"].run(writeTflite(records), fill)).toEqual(
        await runtimes["tfjs-tflite"].run(file, fill),
      );
  });
});
