import { isTesseraError } from "@tessera/core/base/error";
import type { Feeds, LoadOptions, Runtime, Session } from "@tessera/core/graph/runtime";
import { f32, fromNumbers, i64, sameTensor, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { describe, expect, test } from "vitest";
import { ONNX_FILES, type RuntimeFiles } from "./runtime-files.ts";
import { sample } from "./runtime-models.ts";

/** Options of {@link runtimeSuite}. */
export interface RuntimeSuiteOptions {
  /** Name of the implementation. */
  readonly name: string;
  readonly make: () => Promise<Runtime>;
  /** The models in the format that it reads; ONNX unless given. */
  readonly files?: RuntimeFiles;
  /** Cases that the implementation cannot pass, each with the reason; a case is named by its sentence. */
  readonly skip?: Readonly<Record<string, string>>;
  /** Just these cases, for a variant of an implementation that passes the whole suite in another call. */
  readonly only?: readonly string[];
}

function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs((a[i] as number) - (b[i] as number)));
  return worst;
}

async function withSession<T>(
  runtime: Runtime,
  open: { readonly bytes: Uint8Array; readonly options?: LoadOptions },
  use: (session: Session) => Promise<T>,
) {
  const session = await runtime.load(open.bytes, open.options ?? {});
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

function feeds(x: Tensor): Feeds {
  return new Map([["x", x]]);
}

function output(result: Feeds): Tensor {
  const y = result.get("y");
  if (!y) throw new Error(`no output y among ${[...result.keys()]}`);
  return y;
}

/** The code of the error that a promise ends with; fails when it does not, or when the error is not one of ours. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    expect(error.message).toMatch(/^Cannot .+: .+/s);
    return error.code;
  }
  throw new Error("nothing was thrown");
}

const CASES: Readonly<Record<string, (runtime: Runtime, files: RuntimeFiles) => Promise<void>>> = {
  "says what it is": async (runtime, files) => {
    expect(runtime.id).toMatch(/^[a-z][a-z0-9-]*$/);
    expect(runtime.version).toMatch(/^\d+\.\d+/);
    expect(runtime.formats).toContain(files.format);
  },
  "names inputs and outputs with type and shape, symbols kept": (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async ({ inputs, outputs }) => {
      expect(inputs).toMatchObject([{ name: "x", type: { kind: "tensor", dtype: "float32", shape: files.addShape } }]);
      expect(outputs).toMatchObject([{ name: "y", type: { kind: "tensor", dtype: "float32", shape: files.addShape } }]);
    }),
  computes: (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async (session) => {
      const y = output(await session.run(feeds(f32([2, 3], [-5, -1, -0.5, 0, 1, 2]))));
      expect(y.dtype).toBe("float32");
      expect(y.shape).toEqual([2, 3]);
      expect([...toNumbers(y)]).toEqual([0, 0, 0.5, 1, 2, 3]);
    }),
  "gives the convolution that a plain sum gives": (runtime, files) =>
    withSession(runtime, { bytes: files.conv.bytes() }, async (session) => {
      const x = files.conv.input();
      const y = output(await session.run(feeds(x)));
      expect(y.shape).toEqual(files.conv.outputShape);
      // 72 products of numbers around 1: float32 sums differ by some 1e-6 whatever their order.
      expect(worstDifference(toNumbers(y), files.conv.expected(x))).toBeLessThan(2e-5);
    }),
  "takes another size for a symbolic dimension in each run": (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async (session) => {
      for (const n of [3, 1, 7]) {
        const y = output(await session.run(feeds(f32([n, 3], new Float32Array(n * 3).fill(n)))));
        expect(y.shape).toEqual([n, 3]);
        expect([...toNumbers(y)]).toEqual(Array(n * 3).fill(n + 1));
      }
    }),
  "takes and gives a tensor without elements": (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async (session) => {
      const y = output(await session.run(feeds(f32([0, 3], []))));
      expect(y.shape).toEqual([0, 3]);
      expect(y.bytes.length).toBe(0);
    }),
  "passes every element type through unchanged": (runtime, files) =>
    withSession(runtime, { bytes: files.identity() }, async (session) => {
      expect(session.inputs.map(({ type }) => type)).toMatchObject(
        files.dtypes.map((dtype) => ({ kind: "tensor", dtype, shape: files.identityShape })),
      );
      const x = new Map(files.dtypes.map((dtype, i) => [`x_${dtype}`, sample(dtype, 37, i + 1)] as const));
      const y = await session.run(x);
      for (const dtype of files.dtypes) {
        const got = y.get(`y_${dtype}`);
        expect(got && sameTensor(got, x.get(`x_${dtype}`) as Tensor), dtype).toBe(true);
      }
    }),
  "takes and gives integers and says what they stand for": async (runtime, files) => {
    if (!files.integer) return;
    const { bytes, encodings } = files.integer;
    await withSession(runtime, { bytes: bytes() }, async (session) => {
      expect(session.encodings).toEqual(new Map(Object.entries(encodings)));
      expect(session.inputs).toMatchObject([{ name: "x", type: { kind: "tensor", dtype: "int8", shape: [1, 3] } }]);
      for (const [q, wanted] of [
        [
          [-128, -1, 0],
          [-126, 1, 2],
        ],
        [
          [50, 125, 126],
          [52, 127, 127],
        ],
      ] as const) {
        const y = output(await session.run(feeds(fromNumbers("int8", [1, 3], q))));
        expect(y.dtype).toBe("int8");
        expect([...toNumbers(y)]).toEqual(wanted);
      }
    });
  },
  "takes and gives scalars": async (runtime, files) => {
    const bytes = files.negateScalar();
    await withSession(runtime, { bytes }, async (session) => {
      const y = output(await session.run(feeds(f32([], [4]))));
      expect(y.shape).toEqual([]);
      expect([...toNumbers(y)]).toEqual([-4]);
    });
  },
  "fixes a symbolic dimension": (runtime, files) => {
    const options = { dims: new Map([[files.symbol ?? "", 2]]) };
    return withSession(runtime, { bytes: files.add(), options }, async (session) => {
      expect(session.inputs[0]?.type).toMatchObject({ shape: [2, 3] });
      expect(session.outputs[0]?.type).toMatchObject({ shape: [2, 3] });
      expect(await codeOf(session.run(feeds(f32([1, 3], [1, 2, 3]))))).toBe("RUNTIME_FAILED");
      expect([...toNumbers(output(await session.run(feeds(f32([2, 3], [1, 2, 3, 4, 5, 6])))))]).toEqual([2, 3, 4, 5, 6, 7]);
    });
  },
  "reads feeds at any byte offset and leaves them as they are": (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async (session) => {
      const file = new Uint8Array(64);
      file.set(new Uint8Array(Float32Array.of(1, 2, 3).buffer), 5);
      const x: Tensor = { dtype: "float32", shape: [1, 3], bytes: file.subarray(5, 17) };
      const before = file.slice();
      expect([...toNumbers(output(await session.run(feeds(x))))]).toEqual([2, 3, 4]);
      expect(file).toEqual(before);
      expect([...toNumbers(output(await session.run(feeds(x))))]).toEqual([2, 3, 4]);
    }),
  "never touches outputs that it gave earlier": (runtime, files) =>
    withSession(runtime, { bytes: files.conv.bytes() }, async (session) => {
      const first = output(await session.run(feeds(files.conv.input(1))));
      const copy = first.bytes.slice();
      const second = output(await session.run(feeds(files.conv.input(2))));
      expect(first.bytes).toEqual(copy);
      expect(second.bytes).not.toEqual(copy);
    }),
  "gives the same bytes for the same input, many times": (runtime, files) =>
    withSession(runtime, { bytes: files.conv.bytes() }, async (session) => {
      const x = feeds(files.conv.input());
      const first = output(await session.run(x));
      for (let i = 0; i < 100; i++) expect(sameTensor(output(await session.run(x)), first)).toBe(true);
    }),
  "computes the same at every level of optimisation": async (runtime, files) => {
    const x = files.conv.input();
    const wanted = files.conv.expected(x);
    for (const optimization of ["none", "basic", "extended", "all"] as const) {
      const y = await withSession(runtime, { bytes: files.conv.bytes(), options: { optimization } }, (s) => s.run(feeds(x)));
      expect(worstDifference(toNumbers(output(y)), wanted)).toBeLessThan(2e-5);
    }
  },
  "computes the same with two threads": async (runtime, files) => {
    const x = files.conv.input();
    const y = await withSession(runtime, { bytes: files.conv.bytes(), options: { threads: 2 } }, (s) => s.run(feeds(x)));
    expect(worstDifference(toNumbers(output(y)), files.conv.expected(x))).toBeLessThan(2e-5);
  },
  "reads external data from memory": async (runtime, files) => {
    const c = f32([3], [10, 20, 30]);
    const bytes = files.external?.(c);
    if (!bytes) throw new Error(`${files.format} files have no external data: skip this case`);
    await withSession(runtime, { bytes, options: { externalData: new Map([["weights.bin", c.bytes]]) } }, async (session) => {
      expect([...toNumbers(output(await session.run(feeds(f32([1, 3], [1, 2, 3])))))]).toEqual([11, 22, 33]);
    });
  },
  "keeps sessions of several models apart while they work at once": async (runtime, files) => {
    const sessions = await Promise.all([1, 2, 3].map((c) => runtime.load(files.add(c))));
    const runs = sessions.map(async (session, i) => {
      for (let n = 1; n <= 20; n++) {
        const y = output(await session.run(feeds(f32([n, 3], new Float32Array(n * 3).fill(n)))));
        expect([...toNumbers(y)]).toEqual(Array(n * 3).fill(n + i + 1));
      }
    });
    await Promise.all(runs);
    await Promise.all(sessions.map((s) => s.close()));
  },
  "names the input that was not fed": (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async (session) => {
      const error = await session.run(new Map()).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: "DATA_MISSING", at: { tensor: "x" } });
    }),
  "refuses a feed that the model has no input for": (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async (session) => {
      const x = f32([1, 3], [1, 2, 3]);
      const both: Feeds = new Map([
        ["x", x],
        ["X", x],
      ]);
      expect(await codeOf(session.run(both))).toBe("RUNTIME_FAILED");
    }),
  "refuses a feed of another shape, rank, type or length and works on": (runtime, files) =>
    withSession(runtime, { bytes: files.add() }, async (session) => {
      expect(await codeOf(session.run(feeds(f32([1, 4], [1, 2, 3, 4]))))).toBe("RUNTIME_FAILED");
      expect(await codeOf(session.run(feeds(f32([3], [1, 2, 3]))))).toBe("RUNTIME_FAILED");
      expect(await codeOf(session.run(feeds(i64([1, 3], [1, 2, 3]))))).toBe("RUNTIME_FAILED");
      expect(await codeOf(session.run(feeds({ dtype: "float32", shape: [1, 3], bytes: new Uint8Array(8) })))).toBe(
        "SHAPE_MISMATCH",
      );
      expect([...toNumbers(output(await session.run(feeds(f32([1, 3], [1, 2, 3])))))]).toEqual([2, 3, 4]);
    }),
  "refuses bytes that are no model": async (runtime, files) => {
    const good = files.add();
    for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 2, 3, 4), good.subarray(0, good.length - 9)]) {
      expect(["RUNTIME_FAILED", "TRUNCATED", "MALFORMED", "UNSUPPORTED_FORMAT"]).toContain(await codeOf(runtime.load(bytes)));
    }
  },
  "refuses a model with an operator that nobody knows": async (runtime, files) => {
    const bytes = files.unknown();
    const refused = runtime.load(bytes).then((s) => s.run(feeds(f32([1], [1]))));
    expect(["RUNTIME_FAILED", "UNSUPPORTED_OP"]).toContain(await codeOf(refused));
  },
  "refuses load options that make no sense": async (runtime, files) => {
    const bytes = files.add();
    const wrong: unknown[] = [
      { threads: 0 },
      { threads: 1.5 },
      { parallel: 1 as never },
      { optimization: "fast" },
      { dims: new Map([["N", -1]]) },
      { optimisation: "all" },
    ];
    for (const options of wrong) expect(await codeOf(runtime.load(bytes, options as LoadOptions))).toBe("RUNTIME_FAILED");
    expect(await codeOf(runtime.load(bytes, { dims: new Map([["M", 1]]) }))).toBe("RUNTIME_FAILED");
  },
  "times each run": (runtime, files) =>
    withSession(runtime, { bytes: files.conv.bytes() }, async (session) => {
      const { wallMs, cpuMs } = await session.time(feeds(files.conv.input()), { runs: 4, warmup: 1 });
      expect(wallMs).toHaveLength(4);
      for (const ms of wallMs) expect(ms).toBeGreaterThan(0);
      expect(cpuMs).toBeGreaterThanOrEqual(0);
      expect(await codeOf(session.time(new Map(), { runs: 1 }))).toBe("DATA_MISSING");
      expect(await codeOf(session.time(feeds(files.conv.input()), { runs: 0 }))).toBe("RUNTIME_FAILED");
    }),
  "profiles by operator, where it can": (runtime, files) =>
    withSession(runtime, { bytes: files.conv.bytes(), options: { optimization: "none" } }, async (session) => {
      if (!session.profile) return;
      const profile = await session.profile(feeds(files.conv.input()), 3);
      expect(profile.runtime).toBe(runtime.id);
      expect(profile.runs).toBe(3);
      files.conv.checkProfile(profile);
      expect(profile.totalUs).toBe(profile.operators.reduce((sum, o) => sum + o.timeUs, 0));
      expect([...toNumbers(output(await session.run(feeds(files.conv.input()))))].some((v) => v > 0)).toBe(true);
    }),
  "refuses work after it was closed, and closing twice is fine": async (runtime, files) => {
    const session = await runtime.load(files.add());
    await session.close();
    await session.close();
    expect(await codeOf(session.run(feeds(f32([1, 3], [1, 2, 3]))))).toBe("RUNTIME_FAILED");
  },
};

/**
 * What every implementation of {@link Runtime} must do. Call it from a test file, once per implementation; a skipped case shows its reason,
 * and a skip that names no case fails.
 *
 * @example
 * runtimeSuite({ name: "ort-node", make: () => ortNodeRuntime() });
 */
export function runtimeSuite({ name, make, files = ONNX_FILES, skip = {}, only }: RuntimeSuiteOptions): void {
  describe(`the runtime ${name}`, () => {
    for (const [sentence, run] of Object.entries(CASES)) {
      const reason = skip[sentence];
      if (only && !only.includes(sentence)) continue;
      if (reason !== undefined) test.skip(`${sentence} (skipped: ${reason})`, () => undefined);
      else test(sentence, async () => run(await make(), files));
    }
    test("skips and picks only cases that there are", () => {
      expect([...Object.keys(skip), ...(only ?? [])].filter((s) => !Object.hasOwn(CASES, s))).toEqual([]);
    });
  });
}
