import { deviceLists, integerLists, randomFeeds } from "@tessera/testkit/integer/run-both";
import { textModel } from "@tessera/testkit/text-model";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { compileInteger } from "../../interp/integer/compile.ts";
import type { IntegerProgram } from "../../interp/integer/program.ts";
import { deviceFaults, lowerToDevice } from "./lower.ts";
import type { DeviceProgram, DeviceStep } from "./program.ts";

function encoding(dtype: Encoding["dtype"], scale: number, zeroPoint: number): Encoding {
  return { dtype, scale: [scale], zeroPoint: [zeroPoint], reason: "test" };
}

/** A program under a plan that names values as `int8` (scale 1/16, zero point 3), weights as `int8` with zero point 0. */
function programOf(text: string, names: string, weights = "", more: Readonly<Record<string, Encoding>> = {}): IntegerProgram {
  const list = (all: string): string[] => all.split(" ").filter((name) => name !== "");
  const tensors = new Map<string, Encoding>([
    ...list(names).map((name) => [name, encoding("int8", 1 / 16, 3)] as const),
    ...list(weights).map((name) => [name, encoding("int8", 1 / 8, 0)] as const),
    ...Object.entries(more),
  ]);
  const plan: QuantPlan = { kind: "quant-plan", version: 1, target: "tflite", tensors, nodes: new Map() };
  return compileInteger(textModel(text), plan);
}

/** Runs both interpreters on random integers and expects the same. */
function expectSame(program: IntegerProgram, device: DeviceProgram): void {
  const feeds = randomFeeds(program, 9);
  expect(deviceLists(device, feeds)).toEqual(integerLists(program, feeds));
}

function kinds(device: DeviceProgram): string[] {
  return device.steps.map((step) => step.kind);
}

/** Weights as text: `count` numbers between -1 and 1. */
function numbers(count: number): string {
  const random = seededRandom(count);
  return `[${Array.from({ length: count }, () => (random.int(17) - 8) / 8).join(", ")}]`;
}

describe("lowerToDevice", () => {
  it("puts weights in the order of a flattened picture, so that nothing is copied", () => {
    const text = `x : f32[1, 2, 3, 2]
r = Relu(x)
f = Flatten(r)
y = MatMul(f, w: f32[12, 3] = ${numbers(36)})
return y`;
    const program = programOf(text, "x r y", "w");
    const device = lowerToDevice(program);
    expect(kinds(device)).toEqual(["table", "fullyConnected"]);
    expect(device.values.get("x")).toMatchObject({
      shape: [3, 2, 2],
      bytes: 12,
      model: { shape: [1, 2, 3, 2], order: [0, 2, 3, 1] },
    });
    expectSame(program, device);
  });

  it("takes in a padding with the zero point, for every convolution behind it", () => {
    const text = `x : f32[1, 2, 4, 5]
p = Pad(x, a: i64[8] = [0, 0, 1, 2, 0, 0, 0, 1])
y = Conv(p, w: f32[3, 2, 3, 3] = ${numbers(54)})
z = Conv(p, v: f32[2, 1, 2, 2] = ${numbers(8)}) {group: 2, strides: [2, 2], pads: [1, 0, 0, 0]}
return y, z`;
    const program = programOf(text, "x p y z", "w v");
    const device = lowerToDevice(program);
    expect(device.steps).toEqual([
      expect.objectContaining({ kind: "conv", inputs: ["x"], height: 4, width: 5, pads: [1, 2], outHeight: 3, outWidth: 6 }),
      expect.objectContaining({ kind: "depthwise", inputs: ["x"], height: 4, width: 5, pads: [2, 2], outHeight: 3, outWidth: 4 }),
    ]);
    expectSame(program, device);
  });

  it("pads by itself with another value, by reflection, or where others read it too", () => {
    const other = `x : f32[1, 1, 3, 3]
p = Pad(x, a: i64[8] = [0, 0, 1, 1, 0, 0, 1, 1], v: f32[] = [1])
y = Conv(p, w: f32[1, 1, 2, 2] = ${numbers(4)})
return y`;
    const pads = (text: string, names: string): string[] => {
      const program = programOf(text, names, "w");
      const device = lowerToDevice(program);
      expectSame(program, device);
      return kinds(device);
    };
    expect(pads(other, "x p y")).toEqual(["fill", "copy", "conv"]);
    expect(pads(other.replace(", v: f32[] = [1]", "").replace("return y", "return y, p"), "x p y")).toEqual([
      "fill",
      "copy",
      "conv",
    ]);
    const reflected = other.replace(", v: f32[] = [1])", ') {mode: "reflect"}');
    expect(pads(reflected, "x p y")).toEqual(["gather", "gather", "conv"]);
  });

  it("slides over a sequence in time, as over a picture of width 1", () => {
    const text = `x : f32[1, 3, 9]
c = Conv(x, w: f32[4, 3, 3] = ${numbers(36)}) {pads: [1, 1]}
m = MaxPool(c) {kernel_shape: [2], strides: [2]}
d = Conv(m, v: f32[4, 1, 2] = ${numbers(8)}) {group: 4, strides: [2]}
t = Transpose(d) {perm: [0, 2, 1]}
y = MatMul(t, u: f32[4, 2] = ${numbers(8)})
return y`;
    const program = programOf(text, "x c m d y", "w v u");
    const device = lowerToDevice(program);
    expect(kinds(device)).toEqual(["conv", "maxPool", "depthwise", "fullyConnected"]);
    expect(device.steps[0]).toMatchObject({ height: 9, width: 1, kernel: [3, 1], pads: [1, 0], outHeight: 9, outWidth: 1 });
    expect(device.values.get("c")?.shape).toEqual([9, 1, 4]);
    expectSame(program, device);
  });

  it("reads an input that has its channels last already as it is", () => {
    const text = `x : f32[1, 4, 5, 2]
t = Transpose(x) {perm: [0, 3, 1, 2]}
y = Conv(t, w: f32[3, 2, 1, 1] = ${numbers(6)})
u = Transpose(y) {perm: [0, 2, 3, 1]}
z = Reshape(u, s: i64[2] = [20, 3])
return z`;
    const program = programOf(text, "x y z", "w");
    const device = lowerToDevice(program);
    expect(kinds(device)).toEqual(["conv"]);
    expect([...device.views]).toEqual([["z", "y"]]);
    expectSame(program, device);
  });

  it("reads both operands of a sum as they lie, whatever their order", () => {
    const text = `x : f32[1, 2, 3, 4]
c = Conv(x, w: f32[4, 2, 1, 1] = ${numbers(8)})
r = Reshape(c, s: i64[4] = [1, 2, 4, 6])
t = Transpose(r) {perm: [0, 1, 3, 2]}
k = Reshape(c, s2: i64[4] = [1, 2, 6, 4])
a = Add(t, k)
y = Mul(a, m: f32[6, 1] = [1, 2, 3, -1, -2, -3])
return y`;
    const program = programOf(text, "x c a y m", "w");
    const device = lowerToDevice(program);
    expect(kinds(device)).toEqual(expect.arrayContaining(["conv", "add", "mul"]));
    expect(kinds(device).filter((kind) => kind === "add" || kind === "mul")).toHaveLength(2);
    expectSame(program, device);
  });

  it("makes unsigned integers signed ones", () => {
    const text = `x : f32[1, 2, 3, 3]
c = Conv(x, w: f32[2, 2, 2, 2] = ${numbers(16)}) {pads: [1, 1, 0, 0]}
s = Sigmoid(c)
a = Add(s, x)
y = Softmax(a) {axis: 1}
return y`;
    const byte = (scale: number, zero: number): Encoding => encoding("uint8", scale, zero);
    const more = { x: byte(1 / 16, 120), c: byte(1 / 16, 130), s: byte(1 / 256, 0), a: byte(1 / 16, 100), y: byte(1 / 256, 0) };
    const program = programOf(text, "", "w", more);
    const device = lowerToDevice(program);
    expect(device.values.get("x")).toMatchObject({ dtype: "int8", zeroPoint: -8, model: { dtype: "uint8" } });
    expectSame(program, device);
  });

  it("cuts off what only converts at the ends", () => {
    const text = `x : f32[1, 3]
q = Identity(x)
r = Relu(q)
y = Identity(r)
return y`;
    const program = programOf(text, "q r");
    expect(program.inputs).toEqual(["x"]);
    const device = lowerToDevice(program);
    expect([device.inputs, device.outputs, kinds(device)]).toEqual([["q"], ["r"], ["table"]]);
  });

  it("gives outputs that are the input memory of their own", () => {
    const program = programOf("x : f32[1, 4]\ny = Reshape(x, s: i64[2] = [2, 2])\nreturn y", "x y");
    const device = lowerToDevice(program);
    expect(device.views.size).toBe(0);
    expectSame(program, device);
  });

  it("leaves out steps that no output needs", () => {
    const text = `x : f32[1, 4, 2, 2]
a, b = Split(x) {axis: 1, num_outputs: 2}
c = Relu(b)
y = Relu(a)
return y`;
    const program = programOf(text, "x a b c y");
    const device = lowerToDevice(program);
    expect(kinds(device)).toEqual(["copy", "table"]);
    expectSame(program, device);
  });

  it("names every node that it refuses in one error, with what would help", () => {
    const text = `x : f32[1, 4]
s = Sin(x)
t = Erf(s)
y = Relu(t)
return y`;
    const program = programOf(text, "x s t y");
    const faults = deviceFaults(program);
    expect(faults.map((fault) => [fault.kind, fault.suggestion.length > 10])).toEqual([
      ["Sin", true],
      ["Erf", true],
    ]);
    const message = (of: () => unknown): string => {
      try {
        of();
      } catch (error) {
        expect(error).toMatchObject({ code: "TARGET_RULE" });
        return (error as Error).message;
      }
      return "";
    };
    const said = message(() => lowerToDevice(program));
    for (const fault of faults) expect(said).toContain(`${fault.node} (${fault.kind}): ${fault.why}`);
  });

  it("refuses batches, wide activations, floats at the ends, indices that are computed and the rules of processors", () => {
    const why = (program: IntegerProgram): string =>
      deviceFaults(program)
        .map((fault) => fault.why)
        .join(" / ");
    const conv = `x : f32[2, 1, 3, 3]
y = Conv(x, w: f32[1, 1, 1, 1] = [1])
return y`;
    expect(why(programOf(conv, "x y", "w"))).toBe("its batch is 2");
    const wide = encoding("int16", 1 / 16, 0);
    expect(why(programOf("x : f32[1, 3]\ny = Add(x, x)\nreturn y", "", "", { x: wide, y: wide }))).toContain("int16");
    expect(why(programOf("x : f32[1, 3]\ny = Relu(x)\nreturn y", "x"))).toContain("the output is not quantized");
    const gather = "x : f32[4, 3]\ni : i64[2]\ny = Gather(x, i)\nreturn y";
    expect(why(programOf(gather, "x y"))).toContain("computed while the network runs");
    const fast = compileInteger(
      textModel(conv.replace("f32[2", "f32[1")),
      {
        kind: "quant-plan",
        version: 1,
        target: "tflite",
        tensors: new Map([
          ["x", encoding("int8", 1 / 16, 3)],
          ["w", encoding("int8", 1 / 8, 0)],
          ["y", encoding("int8", 1 / 16, 3)],
        ]),
        nodes: new Map(),
      },
      { profile: "xnnpack" },
    );
    expect(why(fast)).toContain('rule "float"');
  });

  it("keeps steps in the order in which values are made", () => {
    const text = `x : f32[1, 4, 4, 4]
a = Conv(x, w: f32[4, 4, 1, 1] = ${numbers(16)})
b = Concat(a, x) {axis: 1}
c = Resize(b, s: f32[0] = [], f: f32[4] = [1, 1, 2, 1.5]) {mode: "nearest", nearest_mode: "floor", coordinate_transformation_mode: "asymmetric"}
d = DepthToSpace(c) {blocksize: 2}
y = ReduceMean(d, ax: i64[1] = [1]) {keepdims: 0}
return y`;
    const program = programOf(text, "x a b c d y", "w");
    const device = lowerToDevice(program);
    const made = new Set<string>([...device.inputs, ...device.constants.keys()]);
    const check = (step: DeviceStep): void => {
      for (const name of step.inputs) expect(made.has(device.views.get(name) ?? name), name).toBe(true);
      made.add(step.output);
    };
    device.steps.forEach(check);
    expectSame(program, device);
  });
});
