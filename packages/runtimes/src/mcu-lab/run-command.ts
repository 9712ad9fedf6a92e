import { spawn } from "node:child_process";
import { fail } from "@tessera/core/base/error";

/** Options of {@link runCommand}. */
export interface CommandOptions {
  /** Working directory; the current one unless given. */
  readonly cwd?: string;
  /** The command and everything it started are killed after this time; 120,000 unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Bytes for its standard input, which is empty otherwise. */
  readonly input?: Uint8Array;
}

/** What {@link CommandOptions} leave out. */
export const COMMAND_DEFAULTS = { timeoutMs: 120_000 } as const satisfies CommandOptions;

/** How a command ended. */
export interface CommandResult {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: Buffer;
  /** The last 64 KiB of what it said on standard error. */
  readonly stderr: string;
}

const STDERR_BYTES = 1 << 16;

/**
 * Runs a command to its end, in a process group of its own, so that what it started dies with it.
 * @throws RUNTIME_MISSING when there is no such command, RUNTIME_FAILED when the time is up, INTERRUPTED when the signal was given. A code other than 0 is
 * no error here.
 */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { timeoutMs = COMMAND_DEFAULTS.timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(fail("INTERRUPTED", `Cannot run ${command}: the work was interrupted`));
      return;
    }
    const child = spawn(command, args, { cwd: options.cwd, stdio: ["pipe", "pipe", "pipe"], detached: true });
    const stdout: Buffer[] = [];
    let stderr = "";
    let why: Error | undefined;
    const kill = (error: Error) => {
      why ??= error;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended by itself in the meantime.
      }
    };
    const onAbort = () => kill(fail("INTERRUPTED", `Cannot finish ${command}: the work was interrupted`));
    const timer = setTimeout(
      () => kill(fail("RUNTIME_FAILED", `Cannot finish ${command}: not done after ${timeoutMs} ms`)),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-STDERR_BYTES);
    });
    // A program that ends before it has read everything says why by its code.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? new Uint8Array());
    child.once("error", (error) => {
      why ??= fail("RUNTIME_MISSING", `Cannot run ${command}: ${error.message}`, { cause: error });
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      if (why) reject(why);
      else resolve({ code, stdout: Buffer.concat(stdout), stderr });
    });
  });
}
