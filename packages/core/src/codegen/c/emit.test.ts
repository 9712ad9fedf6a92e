import { describe, expect, it } from "vitest";
import { quantizeMultiplier } from "../../interp/integer/multiplier.ts";
import type { DeviceProgram, DeviceStep, DeviceValue } from "../device/program.ts";
import { scheduleDevice } from "../device/schedule-device.ts";
import { emitC } from "./emit.ts";
import { KERNEL_ABI } from "./kernel-abi.ts";
import { KERNELS } from "./kernels/kernels.ts";

const PIXELS = { height: 2, width: 3, outHeight: 2, outWidth: 3 } as const;
const ONES = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0] } as const;
const TENTH = quantizeMultiplier(0.1);

function value(name: string, shape: readonly number[]): [string, DeviceValue] {
  return [name, { name, dtype: "int8", shape, bytes: shape.reduce((n, s) => n * s, 1), scale: 0.05, zeroPoint: -3 }];
}

function pointwise(input: string, output: string, seed: number): DeviceStep {
  return {
    kind: "conv",
    node: `${output} */ int x; /*\n#error "??/"\\`,
    inputs: [input],
    output,
    ...PIXELS,
    ...ONES,
    channels: 2,
    outChannels: 2,
    group: 1,
    weights: Int8Array.of(seed, 2, 3, -4),
    bias: Int32Array.of(100, -7),
    inputZero: -3,
    outputZero: -3,
    rescale: { rule: "double", multipliers: Int32Array.of(TENTH.value), shifts: Int32Array.of(TENTH.shift) },
    clamp: [-3, 127],
  };
}

/** Two convolutions of equal shape, a table, and names that would like to be code. */
function tiny(): DeviceProgram {
  const names = ["in put", "a", "b", "out*/"];
  return {
    kind: "device-program",
    profile: "tflm-double",
    inputs: ["in put"],
    outputs: ["out*/"],
    values: new Map(names.map((name) => value(name, [2, 3, 2]))),
    views: new Map(),
    constants: new Map(),
    steps: [
      pointwise("in put", "a", 1),
      pointwise("a", "b", 9),
      {
        kind: "table",
        node: "table",
        inputs: ["b"],
        output: "out*/",
        count: 12,
        table: Int8Array.from({ length: 256 }, (_, i) => 127 - i),
        of: "tanh",
      },
    ],
  };
}

const OPTIONS = { name: "tiny net", isa: "portable", modelSha256: "00ff", generator: "tessera test" } as const;

function emitted(program = tiny()) {
  return emitC(program, scheduleDevice(program, { isa: "portable" }), OPTIONS);
}

describe("emitted C", () => {
  it("is the text that was looked at (update with -u after looking again)", async () => {
    const { files } = emitted();
    for (const name of ["tiny_net.h", "tiny_net.c", "tiny_net_weights.c"])
      await expect(files.get(name)).toMatchFileSnapshot(`../../../cases/c/${name}`);
  });

  it("is the same for the same program", () => {
    expect([...emitted().files]).toEqual([...emitted().files]);
  });

  it("shares the function of layers of equal shapes, and equal constants", () => {
    const { layers, bytes } = emitted();
    expect(layers.map((layer) => layer.function)).toEqual([
      "tiny_net_f0_pointwise",
      "tiny_net_f0_pointwise",
      "tiny_net_f1_table",
    ]);
    expect(layers.map((layer) => layer.macs)).toEqual([24, 24, 0]);
    // Two sets of weights padded to 4, two of folded biases; multipliers and shifts are equal.
    expect(bytes).toEqual({ weights: 16, bias: 16, multipliers: 8, shifts: 2, tables: 256, constants: 0 });
  });

  it("keeps names of the model out of the code", () => {
    const { files } = emitted();
    for (const [name, text] of files) {
      if (name === "tiny_net_kernels.h") continue;
      const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^#(error|include).*$/gm, "");
      expect(code, name).not.toMatch(/int x;|evil|#error|\?\?|in put/);
      // Every comment begins and ends once.
      expect(text.split("/*").length, name).toBe(text.split("*/").length);
    }
  });

  it("calls nothing but its kernels, memcpy and memset", () => {
    const source = emitted().files.get("tiny_net.c") ?? "";
    const code = source.replace(/\/\*[\s\S]*?\*\//g, "");
    const called = new Set([...code.matchAll(/\b([a-z_]\w*)\(/g)].map(([, name]) => name as string));
    for (const name of called) expect(/^(tiny_net_|ts_|memcpy$|memset$|if$|for$|defined$)/.test(name), name).toBe(true);
  });

  it("refuses a schedule with less working memory than a form of a kernel needs", () => {
    const program = tiny();
    const schedule = scheduleDevice(program, { isa: "portable" });
    expect(() => emitC(program, schedule, { ...OPTIONS, isa: "dsp" })).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
  });

  it("refuses two roundings in one model, types without kernels, and memory that is not there", () => {
    const program = tiny();
    const [first, ...rest] = program.steps as readonly [DeviceStep, ...DeviceStep[]];
    const single = {
      ...first,
      rescale: { rule: "single", multipliers: Int32Array.of(1), shifts: Int32Array.of(0) },
    } as DeviceStep;
    const schedule = scheduleDevice(program, { isa: "portable" });
    expect(() => emitC({ ...program, steps: [single, ...rest] }, schedule, OPTIONS)).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_OP" }),
    );
    const wide = new Map(program.values).set("a", { ...value("a", [2, 3, 2])[1], dtype: "int16" });
    expect(() => emitC({ ...program, values: wide }, schedule, OPTIONS)).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_OP" }),
    );
    const memory = { ...schedule.memory, offsets: new Map() };
    expect(() => emitC(program, { ...schedule, memory }, OPTIONS)).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});

/** Types of the parameters of a prototype, without names. */
function typesOf(prototype: string): string[] {
  const inside = prototype.slice(prototype.indexOf("(") + 1, prototype.indexOf(")"));
  return inside.split(",").map((parameter) => parameter.trim().replace(/\s*\w+$/, ""));
}

describe("prototypes of the kernels", () => {
  it.each(Object.entries(KERNEL_ABI))("%s has the parameters of its source in every form", (name, prototype) => {
    const kernel = KERNELS.get(name);
    const forms = [kernel?.portable, kernel?.dsp, kernel?.mve].filter((form) => form !== undefined);
    expect(forms.length).toBeGreaterThan(0);
    for (const form of forms) {
      const found = new RegExp(`\\w+ ${name}\\([^)]*\\)`).exec(form.replace(/\s+/g, " "))?.[0] ?? "";
      expect(typesOf(found)).toEqual(typesOf(prototype));
      expect(found.startsWith(prototype.slice(0, prototype.indexOf("(")))).toBe(true);
    }
  });
});
