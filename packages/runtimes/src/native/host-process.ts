import { type ChildProcess, spawn } from "node:child_process";
import { fail } from "@tessera/core/base/error";

/** A program that {@link hostProgram} wrote, running. */
export interface HostProcess {
  /** Sends the bytes of all inputs, runs the model `runs` times; gives the bytes of all outputs and the nanoseconds of each run. Calls queue. */
  run(input: Uint8Array, runs?: number): Promise<{ readonly output: Uint8Array; readonly nanoseconds: readonly number[] }>;
  /** Ends it. */
  close(): Promise<void>;
}

/** Bytes that have come and nobody has taken yet. */
function inbox(child: ChildProcess): (bytes: number) => Promise<Buffer> {
  let parts: Buffer[] = [];
  let have = 0;
  let waiting:
    | { readonly bytes: number; readonly resolve: (data: Buffer) => void; readonly reject: (why: Error) => void }
    | undefined;
  let gone: Error | undefined;
  let said = "";
  const serve = (): void => {
    if (waiting === undefined) return;
    if (have >= waiting.bytes) {
      const all = Buffer.concat(parts);
      const { resolve, bytes } = waiting;
      parts = [all.subarray(bytes)];
      have -= bytes;
      waiting = undefined;
      resolve(all.subarray(0, bytes));
    } else if (gone) {
      const { reject } = waiting;
      waiting = undefined;
      reject(gone);
    }
  };
  child.stdout?.on("data", (chunk: Buffer) => {
    parts.push(chunk);
    have += chunk.length;
    serve();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000);
  });
  const end = (why: string): void => {
    gone ??= fail("RUNTIME_FAILED", `Cannot run the native program: ${why} ${said.trim()}`.trim());
    serve();
  };
  child.once("error", (error) => end(error.message));
  child.once("close", (code, signal) => end(`it ended with ${signal ?? `code ${code}`}`));
  return (bytes) =>
    new Promise((resolve, reject) => {
      waiting = { bytes, resolve, reject };
      serve();
    });
}

/** Starts a program built by buildHost; it does not keep this process alive while nothing is asked of it. */
export function startHostProcess(path: string, outputBytes: number): HostProcess {
  const child = spawn(path, [], { stdio: ["pipe", "pipe", "pipe"] });
  const take = inbox(child);
  // Writing to a program that is gone: the answer that does not come tells.
  child.stdin.on("error", () => {});
  const streams = [child.stdin, child.stdout, child.stderr] as unknown as { ref?(): void; unref?(): void }[];
  const hold = (alive: boolean): void => {
    for (const part of [child, ...streams]) alive ? part.ref?.() : part.unref?.();
  };
  hold(false);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let last: Promise<unknown> = Promise.resolve();
  async function ask(input: Uint8Array, runs: number) {
    hold(true);
    try {
      child.stdin.write(Uint8Array.from([runs & 255, (runs >> 8) & 255, (runs >> 16) & 255, runs >>> 24]));
      child.stdin.write(input);
      const answer = await take(8 * runs + outputBytes);
      const nanoseconds = Array.from({ length: runs }, (_, k) => answer.readDoubleLE(8 * k));
      return { output: new Uint8Array(answer.subarray(8 * runs)), nanoseconds };
    } finally {
      hold(false);
    }
  }
  return {
    run(input, runs = 1) {
      const mine = last.then(() => ask(input, runs));
      last = mine.catch(() => {});
      return mine;
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      hold(true);
      child.kill("SIGKILL");
      await ended;
    },
  };
}
