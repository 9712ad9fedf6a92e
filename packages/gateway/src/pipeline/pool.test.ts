import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openPool, type PoolOptions, type WorkerPool } from "./pool.ts";

/** What the worker below is told to do. Cells are indices into shared memory. */
type Request =
  | { readonly do: "echo"; readonly say: string }
  | { readonly do: "meet"; readonly mine: number; readonly other: number }
  | { readonly do: "wait"; readonly cell: number }
  | { readonly do: "exit" | "throw" | "spin" | "refuse" };

/** A worker with every bad habit. It counts the requests it sees in cell 0. */
const CODE = `
const { parentPort, workerData } = require("node:worker_threads");
const cells = new Int32Array(workerData.cells);
parentPort.on("message", ({ request }) => {
  Atomics.add(cells, 0, 1);
  if (request.do === "exit") process.exit(3);
  if (request.do === "throw") throw new Error("out of cheese");
  if (request.do === "spin") for (;;) ;
  if (request.do === "refuse") return parentPort.postMessage({ kind: "failed", error: { code: "IMAGE_INVALID", message: "no", hint: "h" } });
  if (request.do === "meet") {
    Atomics.store(cells, request.mine, 1);
    Atomics.notify(cells, request.mine);
    Atomics.wait(cells, request.other, 0);
  }
  if (request.do === "wait") Atomics.wait(cells, request.cell, 0);
  parentPort.postMessage({ kind: "done", answer: request.say ?? "done" });
});
parentPort.postMessage(workerData.unfit ? { kind: "unfit", error: { code: "CARD_INVALID", message: "wrong card", hint: "h" } } : { kind: "ready" });
`;

const OPTIONS: PoolOptions = {
  workers: 2,
  maxQueued: 100,
  maxQueuedBytes: 1000,
  maxWaitMs: 60_000,
  jobTimeoutMs: 60_000,
  startTimeoutMs: 60_000,
  restartMs: 1,
};

interface Lab {
  readonly pool: WorkerPool<Request, string>;
  readonly cells: Int32Array;
  readonly threads: Worker[];
  readonly ask: (request: Request, options?: Partial<Parameters<WorkerPool<Request, string>["run"]>[1]>) => Promise<string>;
}

async function lab(
  options: Partial<PoolOptions> = {},
  start?: (cells: SharedArrayBuffer, count: number) => Worker,
): Promise<Lab> {
  const buffer = new SharedArrayBuffer(64);
  const threads: Worker[] = [];
  const pool = await openPool<Request, string>(
    () => {
      const worker = start
        ? start(buffer, threads.length)
        : new Worker(CODE, { eval: true, stderr: true, workerData: { cells: buffer } });
      threads.push(worker);
      return worker;
    },
    { ...OPTIONS, ...options },
  );
  onTestFinished(() => pool.close());
  return {
    pool,
    cells: new Int32Array(buffer),
    threads,
    ask: async (request, asked = {}) => (await pool.run(request, { bytes: 1, ...asked })).answer,
  };
}

function release(cells: Int32Array, cell: number): void {
  Atomics.store(cells, cell, 1);
  Atomics.notify(cells, cell);
}

const echo = (say: string): Request => ({ do: "echo", say });
const failed = (message: string) =>
  expect.objectContaining({ code: "RUNTIME_FAILED", message: expect.stringContaining(message) });
const busy = expect.objectContaining({ code: "GATEWAY_BUSY" });

/** Resolves when the worker has seen `count` requests. */
async function seen(cells: Int32Array, count: number): Promise<void> {
  await expect.poll(() => Atomics.load(cells, 0), { timeout: 30_000 }).toBe(count);
}

describe("a pool of workers", () => {
  test("answers everybody, whatever the order", async () => {
    const { ask } = await lab();
    const words = Array.from({ length: 50 }, (_, i) => `word ${i}`);
    expect(await Promise.all(words.map((word) => ask(echo(word))))).toEqual(words);
  });

  test("works on two requests side by side: each waits for the other", async () => {
    const { ask } = await lab();
    await Promise.all([ask({ do: "meet", mine: 1, other: 2 }), ask({ do: "meet", mine: 2, other: 1 })]);
  });

  test("an error of the worker's own keeps its code, and the worker goes on", async () => {
    const { ask, threads } = await lab({ workers: 1 });
    await expect(ask({ do: "refuse" })).rejects.toThrow(
      expect.objectContaining({ code: "IMAGE_INVALID", message: "no", hint: "h" }),
    );
    expect(await ask(echo("still here"))).toBe("still here");
    expect(threads).toHaveLength(1);
  });

  test.each(["exit", "throw"] as const)(
    "a worker that dies (%s) costs its own job only, and another takes its place",
    async (how) => {
      const { ask, cells, threads } = await lab();
      const other = ask({ do: "wait", cell: 3 });
      const dead = ask({ do: how });
      const waiting = ask(echo("after"));
      await expect(dead).rejects.toThrow(failed(how === "exit" ? "its worker ended" : "out of cheese"));
      expect(await waiting).toBe("after");
      release(cells, 3);
      expect(await other).toBe("done");
      expect(threads).toHaveLength(3);
    },
  );

  test("a job that takes too long is given up, and its worker replaced", async () => {
    const { ask, threads } = await lab({ workers: 1, jobTimeoutMs: 300 });
    await expect(ask({ do: "spin" })).rejects.toThrow(failed("took longer than 300 ms"));
    expect(await ask(echo("again"))).toBe("again");
    expect(threads).toHaveLength(2);
  });

  test("no more than the queue holds may wait, in number and in bytes; what waited is answered", async () => {
    const { ask, cells } = await lab({ workers: 1, maxQueued: 3 });
    const first = ask({ do: "wait", cell: 1 });
    const queued = [ask(echo("a"), { bytes: 400 }), ask(echo("b"), { bytes: 400 })];
    await expect(ask(echo("heavy"), { bytes: 201 })).rejects.toThrow(busy);
    queued.push(ask(echo("c"), { bytes: 200 }));
    await expect(ask(echo("one more"), { bytes: 0 })).rejects.toThrow(busy);
    release(cells, 1);
    expect(await Promise.all([first, ...queued])).toEqual(["done", "a", "b", "c"]);
    expect(await ask(echo("room again"), { bytes: 1000 })).toBe("room again");
  });

  test("nobody waits for ever", async () => {
    const { ask, cells } = await lab({ workers: 1, maxWaitMs: 50 });
    const first = ask({ do: "wait", cell: 1 });
    await expect(ask(echo("late"))).rejects.toThrow(busy);
    release(cells, 1);
    // The one that runs is not subject to it, and the one that gave up is never run.
    expect(await first).toBe("done");
    expect(await ask(echo("next"))).toBe("next");
    expect(Atomics.load(cells, 0)).toBe(2);
  });

  test("what is asked for in passing lets everything else go first", async () => {
    const { ask, cells } = await lab({ workers: 1 });
    const order: string[] = [];
    const noted = (request: Promise<string>) => request.then((word) => order.push(word));
    const all = [
      noted(ask({ do: "wait", cell: 1 })),
      noted(ask(echo("live"), { idle: true })),
      noted(ask(echo("verify"))),
      noted(ask(echo("enrol"))),
    ];
    release(cells, 1);
    await Promise.all(all);
    expect(order).toEqual(["done", "verify", "enrol", "live"]);
  });

  test("an aborted request that waits is never run, one that runs is given up at once", async () => {
    const { ask, cells } = await lab({ workers: 1 });
    const [running, waiting] = [new AbortController(), new AbortController()];
    const first = ask({ do: "wait", cell: 1 }, { signal: running.signal });
    const second = ask(echo("never"), { signal: waiting.signal });
    await seen(cells, 1);
    waiting.abort(new Error("gone"));
    await expect(second).rejects.toThrow("gone");
    running.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
    release(cells, 1);
    expect(await ask(echo("next"))).toBe("next");
    expect(Atomics.load(cells, 0)).toBe(2);
    await expect(ask(echo("no"), { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });

  test("closing refuses what waits and what runs, and whatever comes after", async () => {
    const { pool, ask, threads } = await lab({ workers: 1 });
    const refused = [ask({ do: "wait", cell: 1 }), ask(echo("queued"))].map((request) =>
      expect(request).rejects.toThrow(failed("the pipeline is closed")),
    );
    await Promise.all([pool.close(), pool.close(), ...refused]);
    await expect(ask(echo("after"))).rejects.toThrow(failed("the pipeline is closed"));
    expect(threads.map((worker) => worker.threadId)).toEqual([-1]);
  });

  test("leaves no timer behind that could end a worker later", async () => {
    const { ask } = await lab({ workers: 1 });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    await Promise.all([ask(echo("a")), ask(echo("b")), expect(ask({ do: "refuse" })).rejects.toThrow("no")]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("does not open when a worker says that it cannot work, and leaves no thread behind", async () => {
    const threads: Worker[] = [];
    const opening = openPool<Request, string>(() => {
      const worker = new Worker(CODE, {
        eval: true,
        workerData: { cells: new SharedArrayBuffer(64), unfit: threads.length === 1 },
      });
      threads.push(worker);
      return worker;
    }, OPTIONS);
    await expect(opening).rejects.toThrow(expect.objectContaining({ code: "CARD_INVALID", message: "wrong card" }));
    expect(threads.map((worker) => worker.threadId)).toEqual([-1, -1]);
  });

  test("does not open when a worker hangs while it starts", async () => {
    const start = () => new Worker("for (;;) ;", { eval: true });
    await expect(openPool(start, { ...OPTIONS, startTimeoutMs: 200 })).rejects.toThrow(failed("did not start within 200 ms"));
  });

  test("goes on trying to bring a worker back", async () => {
    const { ask, threads } = await lab({ workers: 1 }, (cells, count) => {
      const code = count === 0 || count > 3 ? CODE : "process.exit(1)";
      return new Worker(code, { eval: true, stderr: true, workerData: { cells } });
    });
    await expect(ask({ do: "exit" })).rejects.toThrow(failed("its worker ended"));
    expect(await ask(echo("back"))).toBe("back");
    expect(threads).toHaveLength(5);
  });
});
