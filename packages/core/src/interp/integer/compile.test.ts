import { textModel } from "@tessera/testkit/text-model";
import { describe, expect, it } from "vitest";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { f32, fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";
import { compileInteger } from "./compile.ts";
import type { ProfileName } from "./profile.ts";
import { runInteger } from "./run.ts";

function int8(scale: number, zeroPoint = 0): Encoding {
  return { dtype: "int8", scale: [scale], zeroPoint: [zeroPoint], reason: "test" };
}

function planOf(tensors: Readonly<Record<string, Encoding>>, floats: readonly string[] = []): QuantPlan {
  return {
    kind: "quant-plan",
    version: 1,
    target: "tflite",
    tensors: new Map(Object.entries(tensors)),
    nodes: new Map(floats.map((name) => [name, { precision: "float32", reason: "test" }])),
  };
}

function bytes(...values: readonly number[]): Tensor {
  return fromNumbers("int8", [1, values.length], values);
}

function run(program: ReturnType<typeof compileInteger>, x: Tensor): number[] {
  const [out] = runInteger(program, new Map([["x", x]]), { io: "integer" }).values();
  return [...toNumbers(out as Tensor)];
}

describe("compileInteger", () => {
  it("turns the Clip behind a sum into the limits of the sum", () => {
    const text = `x : f32[1, 2]
t = Add(x, x)
y = Clip(t, low: f32[] = [0], high: f32[] = [6])
return y`;
    const program = compileInteger(textModel(text), planOf({ x: int8(0.5), y: int8(0.5, -10) }));
    expect(program.steps).toEqual([expect.objectContaining({ kind: "add", output: "y", clamp: [-10, 2] })]);
    expect(run(program, bytes(3, -3))).toEqual([-4, -10]);
    expect(run(program, bytes(100, 6))).toEqual([2, 2]);
  });

  it("does not fuse an activation whose input others read or that has an encoding", () => {
    const shared = `x : f32[1, 2]
t = Add(x, x)
y = Relu(t)
return y, t`;
    const kinds = (text: string, plan: QuantPlan) => compileInteger(textModel(text), plan).steps.map((step) => step.kind);
    expect(kinds(shared, planOf({ x: int8(0.5), t: int8(1), y: int8(1) }))).toEqual(["add", "unary"]);
    expect(kinds(shared, planOf({ x: int8(0.5), y: int8(1) }))).toEqual(["float", "float"]);
  });

  it("joins a product, its bias and its activation into one fully connected layer", () => {
    const text = `x : f32[1, 2]
p = MatMul(x, w: f32[2, 3] = [1, 2, 3, 4, 5, 6])
s = Add(p, b: f32[3] = [0.25, -100, 0.5])
y = Relu(s)
return y`;
    const bias: Encoding = { ...int8(0.25), dtype: "int32" };
    const program = compileInteger(textModel(text), planOf({ x: int8(0.25, 1), w: int8(1), b: bias, y: int8(0.25) }));
    expect(program.steps).toEqual([
      expect.objectContaining({ kind: "fullyConnected", output: "y", depth: 2, outputs: 3, clamp: [0, 127] }),
    ]);
    const [step] = program.steps;
    expect(step?.kind === "fullyConnected" && [...step.weights]).toEqual([1, 4, 2, 5, 3, 6]);
    expect(run(program, bytes(2, 3))).toEqual([1 + 8 + 1, 0, 3 + 12 + 2]);
  });

  it("runs an operator that the plan keeps in float between integers", () => {
    const text = `x : f32[1, 3]
y = Sigmoid(x)
z = Relu(y)
return z`;
    const grid = int8(1 / 256, -128);
    const plan = planOf({ x: int8(0.1), y: grid, z: grid });
    const program = compileInteger(textModel(text), { ...plan, nodes: planOf({}, ["y"]).nodes });
    expect(program.steps.map((step) => step.kind)).toEqual(["float", "unary"]);
    const real = (q: number) => Math.round(256 / (1 + Math.exp(-q / 10))) - 128;
    expect(run(program, bytes(-30, 0, 30))).toEqual([real(-30), real(0), real(30)]);
  });

  it("runs operators without an integer kernel in float, down to a float output", () => {
    const text = `x : f32[1, 2]
y = Sin(x)
return y`;
    const program = compileInteger(textModel(text), planOf({ x: int8(0.5) }));
    const [out] = runInteger(program, new Map([["x", f32([1, 2], [1, 0.4])]])).values();
    expect(out?.dtype).toBe("float32");
    expect([...toNumbers(out as Tensor)]).toEqual([Math.fround(Math.sin(1)), Math.fround(Math.sin(0.5))]);
  });

  it("brings what is joined to one encoding, constants too, and keeps the encoding of what only moves", () => {
    const text = `x : f32[1, 2]
t = Transpose(x) {perm: [1, 0]}
u = Transpose(t) {perm: [1, 0]}
y = Concat(u, c: f32[1, 1] = [3]) {axis: 1}
return y`;
    const program = compileInteger(textModel(text), planOf({ x: int8(0.5), y: int8(1) }));
    expect(program.steps.map((step) => step.kind)).toEqual(["move", "move", "unary", "move"]);
    expect(program.values.get("t")).toMatchObject({ dtype: "int8", scale: 0.5 });
    // Halves are rounded up by the first rounding, or away from zero by the second.
    expect(run(program, bytes(4, -5))).toEqual([2, -2, 3]);
  });

  it("pads with the integer of zero", () => {
    const text = `x : f32[1, 2]
y = Pad(x, p: i64[4] = [0, 1, 0, 0])
return y`;
    const program = compileInteger(textModel(text), planOf({ x: int8(0.5, 7), y: int8(0.5, 7) }));
    expect(run(program, bytes(1, 2))).toEqual([7, 1, 2]);
  });

  it("quantizes feeds and gives floats back unless asked for integers", () => {
    const text = `x : f32[1, 3]
y = Relu(x)
return y`;
    const program = compileInteger(textModel(text), planOf({ x: int8(0.5, 3), y: int8(0.5, 3) }));
    const [out] = runInteger(program, new Map([["x", f32([1, 3], [-4, 0.26, 1000])]])).values();
    expect([...toNumbers(out as Tensor)]).toEqual([0, 0.5, 62]);
    expect(run(program, bytes(-5, 3, 4))).toEqual([3, 3, 4]);
  });

  it("rounds at the border as each profile does", () => {
    const text = `x : f32[1, 3]
y = Relu(x)
return y`;
    const scale = 0.5;
    const plan = planOf({ x: int8(scale), y: int8(scale) });
    const made = (profile: ProfileName) => {
      const program = compileInteger(textModel(text), plan, { profile });
      const [out] = runInteger(program, new Map([["x", f32([1, 3], [0.25, 0.75, 1.25])]])).values();
      return [...toNumbers(out as Tensor)].map((v) => v / scale);
    };
    expect(made("tflm-double")).toEqual([1, 2, 3]);
    expect(made("xnnpack")).toEqual([0, 2, 2]);
    expect(made("ort-float")).toEqual([0, 2, 2]);
  });

  it("does not let a float reader see a constant's integers", () => {
    const text = `x : f32[1, 2]
y = Mul(x, c: f32[1, 2] = [0.5, 2])
z = Mul(x, c)
return y, z`;
    const plan = planOf({ x: int8(0.5), c: int8(0.5), y: int8(0.5) });
    const program = compileInteger(textModel(text), plan);
    expect(program.steps.map((step) => step.kind)).toEqual(["mul", "float"]);
    const made = runInteger(program, new Map([["x", bytes(4, 4)]]), { io: "integer" });
    expect([...toNumbers(made.get("y") as Tensor)]).toEqual([2, 8]);
    expect([...toNumbers(made.get("z") as Tensor)]).toEqual([1, 4]);
  });

  it("refuses unknown profiles, missing feeds, wrong types and wrong shapes", () => {
    const text = `x : f32[1, 2]
y = Relu(x)
return y`;
    const model = textModel(text);
    const plan = planOf({ x: int8(0.5), y: int8(0.5) });
    const code = (name: string) => expect.objectContaining({ code: name });
    expect(() => compileInteger(model, plan, { profile: "best" as ProfileName })).toThrow(code("PLAN_INVALID"));
    const program = compileInteger(model, plan);
    expect(() => runInteger(program, new Map())).toThrow(code("DATA_MISSING"));
    expect(() => runInteger(program, new Map([["x", bytes(1, 2)]]))).toThrow(code("DTYPE_MISMATCH"));
    expect(() => runInteger(program, new Map([["x", f32([2], [1, 2])]]))).toThrow(code("SHAPE_MISMATCH"));
  });
});
