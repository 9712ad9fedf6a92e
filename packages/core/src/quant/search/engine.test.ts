import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fail } from "../../base/error.ts";
import { type GroupSensitivity, SEARCH_DEPTHS, type SearchBench, searchPlan } from "./engine.ts";
import type { SearchJournal } from "./journal.ts";
import { memoryJournal } from "./journal.ts";
import type { Judgement } from "./judgement.ts";
import { POINT_DEFAULTS, pointKey, type SearchPoint } from "./point.ts";

/** What a made-up network loses: noise per group, squares added, and which range suits each tensor. */
interface World {
  /** Noise of each group in integers, at its best range. */
  readonly noise: readonly number[];
  /** The best range of each group's tensor, relative to the one that the method gives. */
  readonly best: readonly number[];
  /** Factor on all noise of methods other than the best one. */
  readonly method: SearchPoint["method"];
  /** How much bias correction moves impostors. */
  readonly biasShift: number;
}

const WORLD: World = { noise: [0.03, 0.004, 0.02, 0.001], best: [1, 0.86, 1, 1], method: "min-max", biasShift: 0.001 };
const GIVEN = { min: -1, max: 1 };

function spreadOf(world: World, point: SearchPoint): number {
  let squares = 0;
  world.noise.forEach((noise, i) => {
    if (Object.hasOwn(point.keep, `g${i}`)) return;
    const own = Object.hasOwn(point.ranges, `t${i}`) ? point.ranges[`t${i}`] : undefined;
    const factor = typeof own === "object" && "max" in own ? own.max / GIVEN.max : 1;
    const off = 1 + 20 * (factor - (world.best[i] as number)) ** 2;
    squares += (noise * off) ** 2;
  });
  const spread =
    Math.sqrt(squares) *
    (point.method === world.method ? 1 : 1.2) *
    (point.equalize === false ? 1.5 : 1) *
    (point.rounding === "nearest" ? 1.1 : 1) *
    (point.correctBias ? 0.8 : 1);
  return spread;
}

function judgementOf(world: World, point: SearchPoint): Judgement {
  const spread = spreadOf(world, point);
  const loss = spread / 10;
  return {
    loss,
    // Every person's share of the loss is about the same: differences show when they are not very small.
    influence: Array.from({ length: 40 }, (_, i) => (loss * (i - 20)) / 4000),
    smoothed: { value: loss, low: loss / 2, high: loss * 2 },
    flips: Math.round(spread * 1000),
    nearPairs: 3000,
    spread,
    impostorShift: point.correctBias ? world.biasShift : 0,
    worstShift: spread * 4,
    cosineMean: 1 - spread,
    cosineMin: 1 - 2 * spread,
  };
}

function benchOf(world: World): SearchBench & { readonly asked: string[] } {
  const asked: string[] = [];
  const groups = world.noise.map((_, i) => `g${i}`);
  const alone = (point: SearchPoint, kept: readonly string[]): number =>
    spreadOf(world, { ...point, keep: Object.fromEntries([...Object.keys(point.keep), ...kept].map((k) => [k, "float32"])) });
  return {
    asked,
    judge: async (point) => {
      asked.push(pointKey(point));
      return judgementOf(world, point);
    },
    sensitivity: async (point, reverted) =>
      groups.map((name, i): GroupSensitivity => {
        const own = alone(
          point,
          groups.filter((g) => g !== name),
        );
        const rest = alone(point, [name]);
        return {
          name,
          op: "Conv",
          nodes: [name],
          tensors: [`t${i}`],
          alone: { spread: own, flips: Math.round(own * 1000) },
          whole: { spread: alone(point, []), flips: 0 },
          ...(reverted ? { without: { spread: rest, flips: Math.round(rest * 1000) } } : {}),
          nearPairs: 3000,
          timeShare: 0.1,
        };
      }),
    rangesOf: async (point) =>
      new Map(
        groups.map((_, i) => {
          const own = Object.hasOwn(point.ranges, `t${i}`) ? point.ranges[`t${i}`] : undefined;
          return [`t${i}`, typeof own === "object" && "max" in own ? own : GIVEN] as const;
        }),
      ),
  };
}

describe("the search", () => {
  test("finds the method, the range and the rounding that lose least, and the groups that pay in float", async () => {
    const { chain, plain, steps } = await searchPlan(benchOf(WORLD));
    const [best, one, two] = chain;
    expect(best?.point).toMatchObject({ method: "min-max", rounding: "second-order", weights: "max", keep: {} });
    expect(best?.point.equalize).not.toBe(false);
    // 0.93 is on the way to 0.86, which is the best.
    expect(best?.point.ranges).toEqual({ t1: { min: -0.86, max: 0.86 } });
    expect(one?.groups).toEqual(["g0"]);
    expect(two?.groups).toEqual(["g0", "g2"]);
    expect(one?.timeRatio).toBeCloseTo(1.1);
    expect(plain.point).toEqual({ ...POINT_DEFAULTS, method: "min-max", equalize: false });
    expect(plain.judgement.loss).toBeGreaterThan(best?.judgement.loss ?? 1);
    expect(steps.every((s) => s.why.length > 0 && s.says.length > 0)).toBe(true);
    expect(steps.filter((s) => !s.accepted).length).toBeGreaterThan(3);
  });

  test("refuses what brings strangers closer, whatever it gains in noise", async () => {
    const { chain, steps } = await searchPlan(benchOf(WORLD));
    expect(chain[0]?.point.correctBias).toBe(false);
    expect(steps.find((s) => s.says.startsWith("biases"))?.why).toContain("strangers come closer");
    const harmless = await searchPlan(benchOf({ ...WORLD, biasShift: 0 }));
    expect(harmless.chain[0]?.point.correctBias).toBe(true);
  });

  test("passes over a group that the target's rules do not let into float", async () => {
    const bench = benchOf(WORLD);
    const judge = async (point: SearchPoint) => {
      if (Object.hasOwn(point.keep, "g0")) throw fail("PLAN_INVALID", "Cannot build this point: g0 has no kernel in float");
      return bench.judge(point);
    };
    const { chain } = await searchPlan({ ...bench, judge });
    expect(chain.slice(1).flatMap((c) => c.groups)).not.toContain("g0");
    expect(chain[1]?.groups).toEqual(["g2"]);
    const broken = { ...bench, judge: () => Promise.reject(fail("RUNTIME_FAILED", "Cannot run: the runtime is gone")) };
    await expect(searchPlan(broken)).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
  });

  test("stops laying nodes into float when the interval of the loss lies within what may be lost, not when its value does", async () => {
    const open = await searchPlan(benchOf(WORLD));
    const values = open.chain.map((c) => c.judgement.loss);
    const value = values[0] as number;
    const loose = await searchPlan(benchOf(WORLD), { maxLoss: value * 1.1 });
    expect(loose.chain).toHaveLength(1);
    expect(loose.stopped).toContain("all in integers the interval");
    // What costs no time is taken even so.
    const bench = benchOf(WORLD);
    const sensitivity: SearchBench["sensitivity"] = async (...asked) =>
      (await bench.sensitivity(...asked)).map((g) => (g.name === "g2" ? { ...g, timeShare: 0.001 } : g));
    const free = await searchPlan({ ...bench, sensitivity }, { maxLoss: value * 1.1 });
    expect(free.chain.map((c) => c.groups)).toEqual([[], ["g2"]]);
    const tight = await searchPlan(benchOf(WORLD), { maxLoss: value * 1.001 });
    expect(tight.chain.length).toBeGreaterThan(1);
  });

  test("asks for the same points in the same order each time", async () => {
    const [a, b] = [benchOf(WORLD), benchOf(WORLD)];
    expect(await searchPlan(a)).toEqual(await searchPlan(b));
    expect(a.asked).toEqual(b.asked);
    expect(new Set(a.asked).size).toBe(a.asked.length);
  });

  test("broken off anywhere, it ends as if it had not been, and computes nothing twice", async () => {
    const whole = await searchPlan(benchOf(WORLD), { depth: SEARCH_DEPTHS.quick });
    const total = whole.evaluations;
    for (let stop = 0; stop < total; stop += 3) {
      const journal = memoryJournal();
      let left = stop;
      const failing: SearchJournal = {
        known: journal.known,
        add: (key, value) => {
          if (left-- === 0) throw new Error("killed");
          // What a file gives back is text.
          journal.add(key, JSON.parse(JSON.stringify(value)));
        },
      };
      const options = { depth: SEARCH_DEPTHS.quick };
      await expect(searchPlan(benchOf(WORLD), { ...options, journal: failing })).rejects.toThrow("killed");
      const again = await searchPlan(benchOf(WORLD), { ...options, journal });
      expect(again.evaluations).toBe(total - stop);
      expect({ ...again, evaluations: 0, recalled: 0 }).toEqual({ ...whole, evaluations: 0, recalled: 0 });
    }
  });

  test("stops when it is told to", async () => {
    const control = new AbortController();
    const bench = benchOf(WORLD);
    const judge: SearchBench["judge"] = async (point) => {
      if (bench.asked.length === 4) control.abort();
      return bench.judge(point);
    };
    await expect(searchPlan({ ...bench, judge }, { signal: control.signal })).rejects.toThrow();
    expect(bench.asked.length).toBe(5);
  });

  test("never ends worse than it began, in any world", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 1e-4, max: 0.05, noNaN: true }), { minLength: 1, maxLength: 6 }),
        fc.constantFrom("mse", "min-max", "percentile"),
        fc.double({ min: -0.001, max: 0.001, noNaN: true }),
        async (noise, method, biasShift) => {
          const world: World = { noise, best: noise.map((_, i) => 1 - 0.1 * (i % 3)), method, biasShift };
          const { chain } = await searchPlan(benchOf(world), { depth: SEARCH_DEPTHS.quick });
          const start = judgementOf(world, POINT_DEFAULTS);
          for (const point of chain.filter((c, i) => i === 0 || c.gains)) {
            expect(point.judgement.loss).toBeLessThanOrEqual(start.loss);
            expect(point.judgement.impostorShift).toBeLessThanOrEqual(2e-4 + 1e-12);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
