import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { f32, i64, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { interpRuntime } from "@tessera/core/interp/runtime";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { nodeGroups } from "@tessera/core/quant/search/groups";
import { measureSensitivity, type SensitivityOptions } from "@tessera/core/quant/sensitivity/measure";
import { restrictPlan } from "@tessera/core/quant/sensitivity/restrict-plan";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { LITERT } from "@tessera/core/targets/litert";
import { ORT_X64 } from "@tessera/core/targets/ort";
import type { Target } from "@tessera/core/targets/target";
import { describe, expect, test } from "vitest";
import { smallModel, smallNode } from "../small-model.ts";

const random = seededRandom(11);

function noise(scale: number, ...shape: number[]): Tensor {
  return f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal() * scale),
  );
}

/** A small face network: a stem, a residual block with a depthwise convolution and PRelu, a pool and a matrix. */
const NETWORK = smallModel({
  x: [1, 3, 8, 8],
  nodes: [
    smallNode("Conv", "x w0 b0", "c0", { pads: [1, 1, 1, 1] }),
    smallNode("Clip", "c0 zero six", "a0"),
    smallNode("Conv", "a0 w1 b1", "c1", { pads: [1, 1, 1, 1], group: 6 }),
    smallNode("PRelu", "c1 slope", "a1"),
    smallNode("Conv", "a1 w2 b2", "c2"),
    smallNode("Add", "c2 a0", "s"),
    smallNode("Relu", "s", "r"),
    smallNode("GlobalAveragePool", "r", "p"),
    smallNode("Reshape", "p flat", "f"),
    smallNode("Gemm", "f w3 b3", "y", { transB: 1 }),
  ],
  constants: {
    w0: noise(0.4, 6, 3, 3, 3),
    b0: noise(0.1, 6),
    w1: noise(0.4, 6, 1, 3, 3),
    b1: noise(0.1, 6),
    slope: f32([6, 1, 1], [0.1, 0.3, -0.2, 0.5, 0.25, 0.05]),
    w2: noise(0.4, 6, 6, 1, 1),
    b2: noise(0.1, 6),
    w3: noise(0.5, 8, 6),
    b3: noise(0.1, 8),
    zero: f32([], [0]),
    six: f32([], [6]),
    flat: i64([2], [1, -1]),
  },
});

const SAMPLES: readonly Feeds[] = Array.from({ length: 7 }, () => new Map([["x", noise(1, 1, 3, 8, 8)]]));

/** The interpreter, with the models that it was given counted. */
function interpreter() {
  const opened: Model[] = [];
  const open = (model: Model): Promise<Session> => {
    opened.push(model);
    return interpRuntime({ read: () => model }).load(new Uint8Array(0));
  };
  return { opened, open };
}

async function calibrated(source: Model, target: Target) {
  const model = prepareForIntegers(source, target);
  const { open } = interpreter();
  const places = equalizablePlaces(model, target);
  const channelScales =
    places.length === 0 ? new Map() : equalizingScales(model, await observeLargest(model, places, SAMPLES, { open }));
  const scaled = scaleChannels(model, channelScales);
  // Values that integers only pass through get a grid of their own once their producer is in float.
  const { activations, shared } = placeIntegers(scaled, target);
  const observations = await observeTensors(scaled, [...activations, ...shared.keys()], SAMPLES, { open });
  const planOf = (keepFloat: ReadonlyMap<string, string>): QuantPlan =>
    staticPlan(model, target, placeIntegers(scaled, target, { keepFloat }), observations, { channelScales });
  return { model, scaled, planOf, groups: nodeGroups(scaled, placeIntegers(scaled, target)) };
}

const reasons = (names: readonly string[]) => new Map(names.map((name) => [name, "kept"] as const));

function settings(target: Target): SensitivityOptions<readonly number[]> {
  return {
    target,
    apply: applyPlan,
    open: interpreter().open,
    samples: () => SAMPLES,
    count: SAMPLES.length,
    judge: ({ data }) => Array.from(data),
  };
}

const whole = (model: Model): number[] =>
  SAMPLES.flatMap((feeds) => Array.from(toNumbers(interpret(model.graph, feeds).get("y") as Tensor)));

describe.each([ORT_X64, LITERT])("sensitivity under the rules of $id", (target) => {
  test("restricts a plan to exactly what a placement with those nodes in float gives", async () => {
    const { scaled, planOf, groups } = await calibrated(NETWORK, target);
    const plan = planOf(new Map());
    expect(groups.length).toBeGreaterThan(4);
    for (const group of groups) {
      const others = groups.flatMap((g) => (g === group ? [] : g.nodes));
      for (const kept of [group.nodes, others]) {
        const restricted = restrictPlan(scaled, plan, { target, keepFloat: reasons(kept) });
        const made = planOf(reasons(kept));
        expect(restricted.nodes).toEqual(made.nodes);
        const grids = ({ tensors }: QuantPlan) =>
          new Map([...tensors].map(([name, { reason: _, ...grid }]) => [name, grid] as const).sort());
        expect(grids(restricted)).toEqual(grids(made));
      }
    }
  });

  test("gives for every group, bit for bit, what the whole network with that plan gives", async () => {
    const { model, scaled, planOf, groups } = await calibrated(NETWORK, target);
    const plan = planOf(new Map());
    const found = await measureSensitivity(model, plan, settings(target));
    expect(found.groups.map((g) => g.nodes)).toEqual(groups.map((g) => g.nodes));
    expect(found.float).toEqual(whole(scaled));
    expect(found.integer).toEqual(whole(applyPlan(model, plan)));
    for (const group of found.groups) {
      const others = groups.flatMap((g) => (g.name === group.name ? [] : g.nodes));
      for (const [mode, kept] of [["reverted", group.nodes] as const, ["alone", others] as const]) {
        const restricted = restrictPlan(scaled, plan, { target, keepFloat: reasons(kept) });
        expect(group[mode], `${mode} ${group.name}`).toEqual(whole(applyPlan(model, restricted)));
      }
      // Between integers, an Add or a pool in float gives what the integers give: its inputs and its result are rounded as before. Weights tell.
      expect(group.alone).not.toEqual(found.float);
      if (group.op === "Conv" || group.op === "Gemm") expect(group.reverted).not.toEqual(found.integer);
    }
  });

  test("runs only what follows the nearest cut, and gives the same in blocks of any size", async () => {
    const { model, planOf } = await calibrated(NETWORK, target);
    const plan = planOf(new Map());
    const one = await measureSensitivity(model, plan, settings(target));
    expect(one).toMatchObject({ blocks: 1, samples: 7 });
    expect(one.groups.map((g) => g.cut)).toContainEqual(["x"]);
    expect(one.groups.find((g) => g.name === "y")?.cut).toEqual(["f"]);
    const { opened, open } = interpreter();
    const many = await measureSensitivity(model, plan, { ...settings(target), open, cacheBytes: 2 * 3 * 64 * 4 * 3 });
    expect(many.blocks).toBe(3);
    expect(many.cachedBytes).toBeLessThanOrEqual(2 * 3 * 64 * 4 * 3);
    expect(many.groups.map(({ alone, reverted }) => [alone, reverted])).toEqual(
      one.groups.map(({ alone, reverted }) => [alone, reverted]),
    );
    expect(Math.min(...opened.map((m) => m.graph.nodes.length))).toBeLessThan(4);
  });
});

describe("sensitivity over an interruption", () => {
  test("takes up where it was stopped, with the same results and without doing work twice", async () => {
    const { model, planOf } = await calibrated(NETWORK, ORT_X64);
    const plan = planOf(new Map());
    const cacheBytes = 2 * 6 * 64 * 4 * 4;
    const straight = await measureSensitivity(model, plan, { ...settings(ORT_X64), cacheBytes });
    const store = new Map<string, string>();
    const memory = {
      get: (key: string) => (store.has(key) ? JSON.parse(store.get(key) as string) : undefined),
      set: (key: string, value: unknown) => {
        if (value === undefined) store.delete(key);
        else store.set(key, JSON.stringify(value));
      },
    };
    let resumed: Awaited<typeof straight> | undefined;
    let stops = 0;
    const totals: number[] = [];
    while (resumed === undefined) {
      const stop = new AbortController();
      let steps = 0;
      try {
        resumed = await measureSensitivity(model, plan, {
          ...settings(ORT_X64),
          cacheBytes,
          memory,
          identity: "test",
          signal: stop.signal,
          onProgress: ({ done, total }) => {
            totals.push(total);
            expect(done).toBeLessThanOrEqual(total);
            if (++steps > 6) stop.abort(new Error("enough"));
          },
        });
      } catch (error) {
        expect((error as Error).message).toBe("enough");
        stops++;
      }
      expect(stops).toBeLessThan(40);
    }
    expect(stops).toBeGreaterThan(1);
    expect(new Set(totals).size).toBe(1);
    expect(resumed).toEqual(straight);
    // Nothing but verdicts is left, and they are all that a further call needs.
    expect(store.size).toBe(2 + 2 * straight.groups.length);
    const { opened, open } = interpreter();
    expect(await measureSensitivity(model, plan, { ...settings(ORT_X64), cacheBytes, memory, identity: "test", open })).toEqual(
      straight,
    );
    expect(opened).toEqual([]);
    // Other samples are another question.
    await measureSensitivity(model, plan, { ...settings(ORT_X64), cacheBytes, memory, identity: "other", open });
    expect(opened.length).toBeGreaterThan(0);
  });

  test("closes every session when it is stopped or a run fails", async () => {
    const { model, planOf } = await calibrated(NETWORK, ORT_X64);
    let open = 0;
    let runs = 0;
    const counting = async (part: Model): Promise<Session> => {
      const session = await interpreter().open(part);
      open++;
      return {
        ...session,
        run: (feeds) => (++runs > 40 ? Promise.reject(new Error("broken")) : session.run(feeds)),
        close: async () => {
          open--;
          await session.close();
        },
      };
    };
    const going = measureSensitivity(model, planOf(new Map()), { ...settings(ORT_X64), open: counting });
    await expect(going).rejects.toThrow("broken");
    expect(open).toBe(0);
  });

  test("says when there are fewer samples than promised", async () => {
    const { model, planOf } = await calibrated(NETWORK, ORT_X64);
    const going = measureSensitivity(model, planOf(new Map()), { ...settings(ORT_X64), count: 9 });
    await expect(going).rejects.toMatchObject({ code: "DATA_MISSING" });
  });
});

test("Constants that were chosen for integer nodes are not read by those in float", async () => {
  const { model, scaled, planOf, groups } = await calibrated(NETWORK, ORT_X64);
  const plan = planOf(new Map());
  const last = groups.at(-1)?.nodes ?? [];
  const w3 = scaled.graph.constants.get("w3") as Tensor;
  const moved = f32(
    w3.shape,
    Array.from(toNumbers(w3), (w) => w * 1.5),
  );
  const chosen = { ...plan, constants: new Map([["w3", moved]]) };
  expect(restrictPlan(scaled, chosen, { target: ORT_X64, keepFloat: reasons(last) }).constants).toBeUndefined();
  const plain = await measureSensitivity(model, plan, settings(ORT_X64));
  const changed = await measureSensitivity(model, chosen, settings(ORT_X64));
  expect(changed.float).toEqual(plain.float);
  expect(changed.integer).not.toEqual(plain.integer);
  const [before, after] = [plain.groups.at(-1), changed.groups.at(-1)];
  expect(after?.reverted).toEqual(before?.reverted);
  expect(after?.alone).not.toEqual(before?.alone);
});
