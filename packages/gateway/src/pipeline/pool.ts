import type { Worker } from "node:worker_threads";
import { fail } from "@tessera/core/base/error";
import type { FailureRecord, FromWorker, ToWorker } from "./wire.ts";

/** Bounds of a {@link WorkerPool}. */
export interface PoolOptions {
  readonly workers: number;
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  readonly maxWaitMs: number;
  readonly jobTimeoutMs: number;
  /** Longest time a worker may take to come up, milliseconds. */
  readonly startTimeoutMs: number;
  /** Wait before a worker that fell over while it came up is started again; doubled each time in a row, up to a hundredfold. */
  readonly restartMs: number;
}

/** Options of one job. */
export interface JobOptions {
  /** Bytes that the request holds while it waits. */
  readonly bytes: number;
  /** Waits until nothing else does. */
  readonly idle?: boolean;
  readonly signal?: AbortSignal;
}

/** Threads that answer requests one at a time each. */
export interface WorkerPool<Q, A> {
  /**
   * The answer of the first free worker, and how long the request waited for it, milliseconds.
   * @throws GATEWAY_BUSY when too much waits, or it waited too long; RUNTIME_FAILED when the worker fell over, took too long, or the pool is closed;
   * what the worker throws; the reason of an aborted `signal`
   */
  run(request: Q, options: JobOptions): Promise<{ readonly answer: A; readonly queuedMs: number }>;
  /** Ends the workers and waits until they are gone. Whatever waits or runs is refused. */
  close(): Promise<void>;
}

interface Job<Q, A> {
  readonly request: Q;
  readonly bytes: number;
  readonly since: number;
  /** Settles the promise, once. */
  resolve(answer: A, queuedMs: number): void;
  reject(error: unknown): void;
}

/** A place for a worker: the worker in it changes when one falls over. */
interface Seat<Q, A> {
  worker?: Worker;
  ready: boolean;
  /** What runs in it. A job whose caller went away is still one until the worker answers. */
  job?: { readonly job: Job<Q, A>; readonly queuedMs: number };
  timer?: NodeJS.Timeout;
  /** Times in a row that it did not come up. */
  falls: number;
}

/**
 * Starts workers, which say `ready` when they are, and gives them jobs. A worker that dies or takes too long loses the job it had; another takes its
 * place, and the other workers go on. Keeps the process alive only while a job is due. @throws what a worker says when it cannot come up
 */
export async function openPool<Q, A>(start: () => Worker, options: PoolOptions): Promise<WorkerPool<Q, A>> {
  const seats: Seat<Q, A>[] = [];
  const urgent = new Set<Job<Q, A>>();
  const idle = new Set<Job<Q, A>>();
  let waitingBytes = 0;
  let closed: Error | undefined;
  let closing: Promise<void> | undefined;

  function seated(seat: Seat<Q, A>): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = start();
      seat.worker = worker;
      seat.ready = false;
      let why = "its worker ended";
      seat.timer = setTimeout(() => {
        why = `its worker did not start within ${options.startTimeoutMs} ms`;
        void worker.terminate();
      }, options.startTimeoutMs);
      worker.on("message", (message: FromWorker<A>) => {
        if (message.kind === "ready") {
          clearTimeout(seat.timer);
          seat.ready = true;
          seat.falls = 0;
          worker.unref();
          resolve();
          next();
        } else if (message.kind === "unfit") reject(errorOf(message.error));
        else settle(seat, message);
      });
      worker.on("error", (error: unknown) => {
        why = `its worker failed: ${error instanceof Error ? error.message.split("\n")[0] : error}`;
      });
      worker.on("exit", () => {
        clearTimeout(seat.timer);
        const failure = closed ?? fail("RUNTIME_FAILED", `Cannot use the capture: ${why}`);
        reject(failure);
        seat.job?.job.reject(failure);
        delete seat.job;
        delete seat.worker;
        const came = seat.ready;
        seat.ready = false;
        if (opened && !closed) again(seat, came);
      });
    });
  }

  function again(seat: Seat<Q, A>, came: boolean): void {
    // One that had come up is replaced at once: the job killed it, not its models.
    const wait = came ? 0 : options.restartMs * Math.min(100, 2 ** seat.falls++);
    seat.timer = setTimeout(() => {
      if (!closed) seated(seat).catch(() => undefined);
    }, wait);
    if (!came) seat.timer.unref();
  }

  function settle(seat: Seat<Q, A>, message: Extract<FromWorker<A>, { kind: "done" | "failed" }>): void {
    const entry = seat.job;
    if (entry === undefined) return;
    clearTimeout(seat.timer);
    delete seat.job;
    seat.worker?.unref();
    if (message.kind === "done") entry.job.resolve(message.answer, entry.queuedMs);
    else entry.job.reject(errorOf(message.error));
    next();
  }

  function next(): void {
    for (const seat of seats) {
      if (!seat.ready || seat.job !== undefined || seat.worker === undefined) continue;
      const [job] = urgent.size > 0 ? urgent : idle;
      if (job === undefined) return;
      leave(job);
      give(seat, job);
    }
  }

  function give(seat: Seat<Q, A>, job: Job<Q, A>): void {
    const worker = seat.worker as Worker;
    seat.job = { job, queuedMs: performance.now() - job.since };
    worker.ref();
    seat.timer = setTimeout(() => {
      job.reject(fail("RUNTIME_FAILED", `Cannot use the capture: its worker took longer than ${options.jobTimeoutMs} ms`));
      // Not ready for anything else; the exit brings a new one.
      void worker.terminate();
    }, options.jobTimeoutMs);
    const message: ToWorker<Q> = { request: job.request };
    worker.postMessage(message);
  }

  function leave(job: Job<Q, A>): boolean {
    const waited = urgent.delete(job) || idle.delete(job);
    if (waited) waitingBytes -= job.bytes;
    return waited;
  }

  function run(request: Q, { bytes, idle: patient = false, signal }: JobOptions): Promise<{ answer: A; queuedMs: number }> {
    if (closed) return Promise.reject(closed);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (urgent.size + idle.size >= options.maxQueued || waitingBytes + bytes > options.maxQueuedBytes)
      return Promise.reject(busy(`${urgent.size + idle.size} captures wait`));
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        clearTimeout(patience);
        signal?.removeEventListener("abort", abort);
        leave(job);
      };
      const job: Job<Q, A> = {
        request,
        bytes,
        since: performance.now(),
        resolve: (answer, queuedMs) => {
          settled();
          resolve({ answer, queuedMs });
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      const abort = (): void => job.reject(signal?.reason);
      const patience = setTimeout(() => {
        if (urgent.has(job) || idle.has(job)) job.reject(busy(`it waited for ${options.maxWaitMs} ms`));
      }, options.maxWaitMs);
      signal?.addEventListener("abort", abort, { once: true });
      (patient ? idle : urgent).add(job);
      waitingBytes += bytes;
      next();
    });
  }

  async function close(): Promise<void> {
    closed = fail("RUNTIME_FAILED", "Cannot use the capture: the pipeline is closed");
    for (const job of [...urgent, ...idle]) job.reject(closed);
    await Promise.all(
      seats.map(async (seat) => {
        clearTimeout(seat.timer);
        seat.job?.job.reject(closed);
        seat.worker?.ref();
        await seat.worker?.terminate();
      }),
    );
  }

  let opened = false;
  for (let i = 0; i < options.workers; i++) seats.push({ ready: false, falls: 0 });
  const starts = await Promise.allSettled(seats.map(seated));
  opened = true;
  const refused = starts.find((result) => result.status === "rejected");
  if (refused !== undefined) {
    await close();
    throw refused.reason;
  }
  return {
    run,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function busy(why: string): Error {
  return fail("GATEWAY_BUSY", `Cannot take the capture: ${why}`);
}

function errorOf({ code, message, hint }: FailureRecord): Error {
  return fail(code, message, { hint });
}
