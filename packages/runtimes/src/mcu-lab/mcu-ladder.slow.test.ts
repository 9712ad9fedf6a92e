import { emitC } from "@tessera/core/codegen/c/emit";
import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import type { EmittedC } from "@tessera/core/codegen/c/options";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import { deviceInput } from "@tessera/core/codegen/device/relayout";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { removeDeadChannels } from "@tessera/core/codegen/prune/remove-dead";
import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { fromNumbers } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { caseInput, reorder, tensorOf } from "@tessera/testkit/integer/case-builder";
import { FAMILIES, type FamilyName, integerCase, RUNS_PER_CASE } from "@tessera/testkit/integer/cases";
import { type IntegerModelName, modelInput, openIntegerModel, runModel } from "@tessera/testkit/integer/model-runs";
import { compileCase, runCase } from "@tessera/testkit/integer/run-case";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, it } from "vitest";
import type { LabRun } from "./build-and-run.ts";
import { emittedCalls } from "./emitted-calls.ts";
import { climbLadder, LADDER, type LadderOptions, type Rung, type RungResult } from "./ladder.ts";

const shared = sharedDir();

interface Subject {
  readonly program: DeviceProgram;
  readonly name: string;
  readonly vectors: readonly Uint8Array[];
  readonly expected: readonly Uint8Array[];
  readonly stream?: "pushed" | "auto" | "never";
}

function written({ program, name, stream = "never" }: Subject): (isa: DeviceIsa) => EmittedC {
  const known = new Map<DeviceIsa, EmittedC>();
  return (isa) => {
    const made = known.get(isa) ?? emitC(program, scheduleDevice(program, { isa, stream }), { name, isa });
    known.set(isa, made);
    return made;
  };
}

async function climbed(subject: Subject, options: LadderOptions = {}): Promise<RungResult[]> {
  const emit = written(subject);
  const { vectors, expected } = subject;
  return climbLadder({ emit: (isa) => ({ files: emit(isa).files, calls: emittedCalls(emit(isa)) }), vectors, expected }, options);
}

/** Rungs that are neither equal nor skipped, in words. */
function faults(results: readonly RungResult[]): string[] {
  return results.flatMap((result) => {
    if (result.kind === "equal" || result.kind === "skipped") return [];
    const why = "why" in result ? result.why : JSON.stringify("first" in result ? result.first : result.overflows);
    return [`${result.rung.id} ${result.kind}: ${why}`];
  });
}

function runOf(results: readonly RungResult[], id: string): LabRun | undefined {
  const found = results.find(({ rung }) => rung.id === id);
  return found?.kind === "equal" ? found.run : undefined;
}

function says(results: readonly RungResult[]): void {
  for (const result of results)
    if (result.kind === "skipped") process.stderr.write(`skipped ${result.rung.id}: ${result.reason}\n`);
}

/** A model of the shared folder with its dead channels gone, and what the integer interpreter gives for the model as it came. */
function whole(name: IntegerModelName, runs: number, stream: Subject["stream"] = "never"): Subject {
  const model = openIntegerModel(shared as string, name, "tflm-double");
  const { model: raised, plan } = raiseTflite(readTflite(model.file));
  if (plan === undefined) throw new Error(`${name} is not quantized`);
  const pruned = removeDeadChannels(raised, plan);
  const program = lowerToDevice(compileInteger(pruned.model, pruned.plan, { profile: "tflm-double" }));
  const inputs = Array.from({ length: runs }, (_, i) => modelInput(model, i % 2 === 0 ? "noise" : "smooth", i));
  return {
    program,
    name,
    vectors: inputs.map((input) => new Uint8Array(input.buffer)),
    expected: inputs.map((input) => runModel(model, input).output),
    stream,
  };
}

/** The first case of a family that a device can compute. */
function single(family: FamilyName): Subject | undefined {
  for (let i = 0; i < 10; i++) {
    const test = integerCase(family, i);
    const integers = compileCase(test, "tflm-double");
    let program: DeviceProgram;
    try {
      program = lowerToDevice(integers);
    } catch {
      continue;
    }
    const relaid = (name: string, run: number) => {
      const t = tensorOf(test.spec, name);
      const shape = (t.order ?? t.shape.map((_, axis) => axis)).map((axis) => t.shape[axis] as number);
      return fromNumbers(t.dtype, shape, reorder([...new Int8Array(caseInput(test, name, run).bytes)], t.shape, t.order));
    };
    const runs = Array.from({ length: RUNS_PER_CASE }, (_, run) => run);
    if (program.inputs.some((name) => tensorOf(test.spec, name).dtype !== "int8")) continue;
    const output = program.outputs[0] as string;
    return {
      program,
      name: `m_${family.toLowerCase()}`,
      vectors: runs.map((run) =>
        Buffer.concat(program.inputs.map((name) => new Uint8Array(deviceInput(program, name, relaid(name, run)).buffer))),
      ),
      expected: runs.map((run) => {
        const made = runCase(test, integers, run);
        const t = tensorOf(test.spec, output);
        const shape = (t.order ?? t.shape.map((_, axis) => axis)).map((axis) => t.shape[axis] as number);
        const values = reorder([...new Int8Array(made.bytes)], t.shape, t.order);
        return new Uint8Array(deviceInput(program, output, fromNumbers(t.dtype, shape, values)).buffer);
      }),
    };
  }
  return undefined;
}

describe("operators on every rung", () => {
  // Boards with an instruction set of their own; the others compile the same code.
  const rungs: readonly Rung[] = LADDER.filter(({ id }) => ["x86-sanitized", "m4", "m55", "rv32"].includes(id));
  const narrow = (Object.keys(FAMILIES) as FamilyName[]).filter((family) => !family.includes("16"));

  it("give the same bytes as the integer interpreter", async () => {
    const wrong: string[] = [];
    let tried = 0;
    for (const family of narrow) {
      const subject = single(family);
      if (subject === undefined) continue;
      tried++;
      const results = await climbed(subject, { rungs });
      if (tried === 1) says(results);
      wrong.push(...faults(results).map((fault) => `${family} ${fault}`));
    }
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThan(15);
  });
});

describe.skipIf(shared === undefined)("whole models on every rung", () => {
  it("keyword spotting gives the same bytes everywhere, within little more than was measured", async () => {
    const results = await climbed(whole("kws", 100), { few: 20, flash: 256 << 10, ram: 64 << 10 });
    says(results);
    expect(faults(results)).toEqual([]);
    const m4 = runOf(results, "m4");
    if (m4 === undefined) return;
    expect(m4.warnings).toBe("");
    expect(Math.max(...(m4.instructions ?? []))).toBeLessThan(4_000_000);
    expect(m4.sizes?.flash.total).toBeLessThan(36_000);
    expect(m4.sizes?.ram.arena).toBeLessThan(17_400);
    expect(m4.stackBytes).toBeLessThan(512);
  });

  it("visual wake words fits 256 KiB and 64 KiB and gives the same bytes everywhere", async () => {
    const results = await climbed(whole("vww", 12), { few: 3, flash: 256 << 10, ram: 64 << 10 });
    expect(faults(results)).toEqual([]);
    const m4 = runOf(results, "m4");
    if (m4 === undefined) return;
    expect(Math.max(...(m4.instructions ?? []))).toBeLessThan(7_000_000);
    expect(m4.sizes?.flash.total).toBeLessThan(60_000);
    expect(m4.sizes?.ram.arena).toBeLessThan(45_000);
  });

  it("visual wake words takes its rows one by one in a quarter of the memory", async () => {
    const rungs = LADDER.filter(({ id }) => ["x86-sanitized", "m4", "m55"].includes(id));
    const results = await climbed(whole("vww", 6, "pushed"), { rungs, ram: 24 << 10 });
    expect(faults(results)).toEqual([]);
    const m4 = runOf(results, "m4");
    if (m4) expect(m4.sizes?.ram.arena).toBeLessThanOrEqual(16_500);
  });

  it("the recurrent network gives the same bytes everywhere", async () => {
    const results = await climbed(whole("lstm", 20), { few: 5 });
    expect(faults(results)).toEqual([]);
  });
});
