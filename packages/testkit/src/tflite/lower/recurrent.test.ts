import { attrString, float } from "@tessera/core/graph/node";
import { fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { expectCase, openRuntimes } from "./on-runtimes.ts";
import { type LowerCase, proveLegal } from "./prove.ts";

const GATES = { LSTM: 4, GRU: 3, RNN: 1 } as const;

const choice = fc.record({
  op: fc.constantFrom("LSTM", "GRU", "RNN"),
  seq: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 4 }),
  hidden: fc.integer({ min: 1, max: 5 }),
  direction: fc.constantFrom("forward", "reverse", "bidirectional"),
  layout: fc.nat({ max: 1 }),
  bias: fc.boolean(),
  lengths: fc.constantFrom("none", "fed", "constant"),
  initial: fc.boolean(),
  peepholes: fc.boolean(),
  clip: fc.boolean(),
  flag: fc.nat({ max: 1 }),
  wanted: fc.integer({ min: 1, max: 7 }),
  seed: fc.nat(),
});

type Choice = typeof choice extends fc.Arbitrary<infer T> ? T : never;

function caseOf(c: Choice, extra: LowerCase["attributes"] = {}): LowerCase {
  const op = c.op as keyof typeof GATES;
  const { seq, batch, width, hidden, seed } = c;
  const dirs = c.direction === "bidirectional" ? 2 : 1;
  const rows = GATES[op] * hidden;
  const make = (k: number, shape: readonly number[], max = 1.5): Tensor =>
    seededTensor("float32", shape, { seed: seed + k, min: -max, max });
  const state = c.layout ? [batch, dirs, hidden] : [dirs, batch, hidden];
  const lens = Array.from({ length: batch }, (_, b) => (seed + 7 * b) % (seq + 1));
  const inputs: (Tensor | undefined)[] = [
    make(1, c.layout ? [batch, seq, width] : [seq, batch, width]),
    make(2, [dirs, rows, width]),
    make(3, [dirs, rows, hidden]),
    c.bias ? make(4, [dirs, 2 * rows]) : undefined,
    c.lengths === "none" ? undefined : fromNumbers("int32", [batch], lens),
    c.initial ? make(5, state) : undefined,
  ];
  if (op === "LSTM") inputs.push(c.initial ? make(6, state) : undefined, c.peepholes ? make(7, [dirs, 3 * hidden]) : undefined);
  while (inputs.at(-1) === undefined) inputs.pop();
  const names = ["y", "h", ...(op === "LSTM" ? ["c"] : [])].map((name, i) => (c.wanted & (1 << i) ? name : ""));
  return {
    op,
    inputs,
    constant: [1, 2, 3, 7, ...(c.lengths === "constant" ? [4] : [])],
    outputs: names.some((n) => n !== "") ? names : ["y"],
    attributes: {
      hidden_size: hidden,
      direction: c.direction,
      layout: c.layout,
      ...(c.clip && { clip: float(0.7) }),
      ...(op === "GRU" && { linear_before_reset: c.flag }),
      ...(op === "LSTM" && { input_forget: c.flag }),
      ...extra,
    },
  };
}

describe("recurrent layers for TFLite", () => {
  it("are unrolled into the same numbers, whatever direction, lengths, states, peepholes and limits they have", () => {
    fc.assert(
      fc.property(choice, (c) => {
        proveLegal(caseOf(c), { tolerance: { absolute: 4e-6, relative: 1e-5 } });
      }),
      { numRuns: 300 },
    );
  });

  it("compute the same on LiteRT and tfjs-tflite", async () => {
    const runtimes = await openRuntimes();
    await fc.assert(
      fc.asyncProperty(choice, async (c) => {
        await expectCase(runtimes, caseOf(c), { tolerance: { absolute: 2e-5 } });
      }),
      { numRuns: 30 },
    );
  }, 240_000);

  it("take other activations, with parameters", () => {
    const base: Choice = {
      op: "LSTM",
      seq: 3,
      batch: 2,
      width: 3,
      hidden: 4,
      direction: "bidirectional",
      layout: 0,
      bias: true,
      lengths: "none",
      initial: true,
      peepholes: false,
      clip: false,
      flag: 0,
      wanted: 7,
      seed: 5,
    };
    for (const names of [
      ["HardSigmoid", "Relu", "Softsign"],
      ["Sigmoid", "LeakyRelu", "Elu"],
      ["Sigmoid", "Softplus", "Tanh"],
    ]) {
      const activations = { kind: "strings", value: [...names, ...names] } as const;
      proveLegal(caseOf(base, { activations }), { tolerance: { absolute: 4e-6, relative: 1e-5 } });
    }
    const affine = { kind: "strings", value: ["Affine", "Tanh", "Tanh", "Sigmoid", "Tanh", "Tanh"] } as const;
    expect(() => proveLegal(caseOf(base, { activations: affine }))).toThrow("its activation Affine has no counterpart");
  });

  it("come in the form of the sequence operator when asked, with masks for sequences that end early", () => {
    let sequences = 0;
    fc.assert(
      fc.property(choice, (c) => {
        const after = proveLegal(
          { ...caseOf({ ...c, op: "LSTM", layout: 0, initial: false, clip: false, flag: 0, wanted: c.wanted & 3 || 1 }) },
          { recurrent: "sequence", gone: [], tolerance: { absolute: 4e-6, relative: 1e-5 } },
        );
        const left = after.graph.nodes.filter((n) => n.op === "LSTM");
        sequences += left.length;
        expect(
          left.every(
            (n) => n.inputs.slice(4, 7).every((name) => name === "") && n.outputs.filter((name) => name !== "").length === 1,
          ),
        ).toBe(true);
        expect(left.every((n) => attrString(n, "direction", "forward") === "forward")).toBe(true);
      }),
      { numRuns: 100 },
    );
    expect(sequences).toBeGreaterThan(50);
  });

  it("leave the input of a batch in place: steps of equal length cost no mask", () => {
    const { graph } = proveLegal(
      caseOf({
        op: "LSTM",
        seq: 4,
        batch: 1,
        width: 3,
        hidden: 4,
        direction: "forward",
        layout: 0,
        bias: true,
        lengths: "none",
        initial: false,
        peepholes: false,
        clip: false,
        flag: 0,
        wanted: 2,
        seed: 1,
      }),
      { tolerance: { absolute: 4e-6 } },
    );
    const count = (op: string): number => graph.nodes.filter((n) => n.op === op).length;
    expect([count("Gemm"), count("Where"), count("ReduceSum"), count("Concat")]).toEqual([4, 0, 0, 0]);
  });
});
