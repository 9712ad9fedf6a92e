import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { Model, TensorType, ValueInfo } from "@tessera/core/graph/model";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { countOf, f32, type Tensor, toNumbers, view } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { createHistogram, observe } from "@tessera/core/quant/histogram";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { checkPlan } from "@tessera/core/targets/check-plan";
import { LITERT } from "@tessera/core/targets/litert";
import { ruleOf } from "@tessera/core/targets/rules";
import { type SchemeName, withScheme } from "@tessera/core/targets/scheme";
import { litertRuntime } from "@tessera/runtimes/litert";
import { tfliteDelegation } from "@tessera/runtimes/tfjs-tflite-delegation";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { RULE_MODELS, type RuleModel } from "./rule-models.ts";

let litert: Awaited<ReturnType<typeof litertRuntime>>;
beforeAll(async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  litert = await litertRuntime({ worker: false });
  warn.mockRestore();
});

/** Steps of the output that a kernel may differ by from exact arithmetic on the same grids: its sums are rounded once more on the way. */
const STEPS = { int8: 2, int16x8: 16 } as const;

interface Made {
  readonly model: Model;
  readonly plan: QuantPlan;
  readonly x: Tensor;
  readonly bytes: Uint8Array;
  readonly islands: readonly { readonly op: string }[];
}

function made({ model: source }: RuleModel, scheme: SchemeName): Made {
  const target = withScheme(LITERT, scheme);
  const model = prepareForIntegers(source, target);
  const placement = placeIntegers(model, target);
  const random = seededRandom(11);
  const [input] = model.graph.inputs as readonly [ValueInfo];
  const shape = (input.type as TensorType).shape as readonly number[];
  const x = f32(
    shape,
    Array.from({ length: countOf(shape) }, () => random.normal()),
  );
  const values = interpret(model.graph, new Map([["x", x]]), { outputs: placement.activations });
  const histograms = new Map(
    placement.activations.map((name) => {
      const h = createHistogram();
      observe(h, view(values.get(name) as Tensor, "float32"));
      return [name, h] as const;
    }),
  );
  const plan = staticPlan(model, target, placement, { samples: 1, histograms }, { range: { method: "min-max" } });
  const { records, report } = lowerTflite(model, { plan, layout: "nchw" });
  return { model, plan, x, bytes: writeTflite(records), islands: report.floatIslands };
}

function isInteger(op: string, scheme: SchemeName): boolean {
  const rule = ruleOf({ op, domain: "" } as Model["graph"]["nodes"][number], withScheme(LITERT, scheme));
  return rule !== undefined && rule.kind !== "float";
}

describe("the rows of LiteRT", () => {
  test("have a model for every operator that they call integer", () => {
    const missing = Object.keys(LITERT.operators).filter((op) => isInteger(op, "int8") && !RULE_MODELS.some((m) => m.op === op));
    expect(missing).toEqual([]);
  });

  for (const scheme of ["int8", "int16x8"] as const) {
    for (const rule of RULE_MODELS.filter(({ op }) => isInteger(op, scheme))) {
      test(`${rule.op} ${rule.says} is integer throughout in ${scheme}, and computes what its grids say`, async () => {
        const { model, plan, x, bytes, islands } = made(rule, scheme);
        expect(checkPlan(model, plan, LITERT)).toEqual([]);
        expect(islands).toEqual([]);
        expect([...plan.nodes].filter(([, c]) => c.precision === "float32")).toEqual([]);
        const session = await litert.load(bytes, { threads: 1 });
        const [input] = session.inputs;
        const got = toNumbers((await session.run(new Map([[input?.name ?? "", x]]))).get("y") as Tensor);
        await session.close();
        const wanted = toNumbers(interpret(applyPlan(model, plan).graph, new Map([["x", x]])).get("y") as Tensor);
        const step = (plan.tensors.get("y") as Encoding).scale[0] as number;
        const worst = wanted.reduce((most, v, i) => Math.max(most, Math.abs(v - (got[i] as number)) / step), 0);
        expect(worst).toBeLessThanOrEqual(STEPS[scheme] + 0.01);
      });
    }
  }

  test("say which kernels XNNPACK leaves alone, as TensorFlow Lite's profile tells it", async () => {
    for (const rule of RULE_MODELS) {
      const kernels = LITERT.integerKernels[rule.op];
      if (kernels === undefined || rule.says === "in groups") continue;
      const { fallback } = await tfliteDelegation(made(rule, "int8").bytes);
      const isLeft = fallback.some(({ op, type }) => kernels.includes(op) && type === "INT8");
      expect(isLeft, `${rule.op} ${rule.says}`).toBe(Object.hasOwn(LITERT.slowKernels ?? {}, rule.op));
    }
  });
});
