import { spawn } from "node:child_process";
import { fail } from "@tessera/core/base/error";

/** Options of {@link runTool}. */
export interface ToolOptions {
  /** Bytes for its standard input. */
  readonly input?: Uint8Array;
  /** Variables besides ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** What a tool answered. */
export interface ToolAnswer {
  readonly ok: boolean;
  readonly output: Uint8Array;
  /** The last line it complained with, for messages. */
  readonly complaint: string;
}

const TIMEOUT_MS = 30_000;
const MOST_BYTES = 1 << 20;

/**
 * Runs a program without a shell. Secrets go in by its input or environment and come out by its output: arguments can be read by every user of
 * the machine. @throws KEY_UNAVAILABLE when it is not installed or does not end
 */
export function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...options.env } });
    const output: Buffer[] = [];
    let size = 0;
    let complaints = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(fail("KEY_UNAVAILABLE", `Cannot ask ${command}: it did not answer in time`));
    }, options.timeoutMs ?? TIMEOUT_MS);
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MOST_BYTES) output.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      complaints = (complaints + chunk.toString("utf8")).slice(-2000);
    });
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(fail("KEY_UNAVAILABLE", `Cannot ask ${command}: it cannot be started`, { cause }));
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      const joined = Buffer.concat(output);
      for (const chunk of output) chunk.fill(0);
      const complaint = complaints.trim().split("\n").at(-1) ?? "";
      resolve({ ok: code === 0 && size <= MOST_BYTES, output: joined, complaint });
    });
    // A tool that fails early closes its input before we have written all.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? new Uint8Array(0));
  });
}
