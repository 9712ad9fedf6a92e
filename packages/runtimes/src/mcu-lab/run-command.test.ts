import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { runCommand } from "./run-command.ts";

const node = process.execPath;

async function isAlive(pid: number): Promise<boolean> {
  for (let k = 0; k < 100; k++) {
    try {
      process.kill(pid, 0);
    } catch {
      return false;
    }
    await wait(20);
  }
  return true;
}

describe("a command", () => {
  it("gets its input and gives its output, its code and its words", async () => {
    const script =
      "process.stdin.on('data', (b) => process.stdout.write(b)).on('end', () => { console.error('said'); process.exitCode = 3 })";
    const result = await runCommand(node, ["-e", script], { input: Uint8Array.of(1, 0, 255) });
    expect([result.code, [...result.stdout], result.stderr]).toEqual([3, [1, 0, 255], "said\n"]);
  });

  it("is killed with what it started when its time is up", async () => {
    // The grandchild says its number on its parent's output, then sleeps.
    const inner = "console.log(process.pid); setInterval(() => {}, 1000)";
    const script = `const c = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}], { stdio: ['ignore', 'pipe', 'ignore'] });
      c.stdout.on('data', (b) => require('fs').writeFileSync(process.argv[1], b)); setInterval(() => {}, 1000)`;
    const dir = mkdtempSync(join(tmpdir(), "tessera-test-"));
    const file = join(dir, "pid");
    const stop = new AbortController();
    const running = runCommand(node, ["-e", script, file], { signal: stop.signal });
    const caught = running.catch((error: unknown) => error);
    while (!existsSync(file) || readFileSync(file, "utf8").trim() === "") await wait(20);
    const pid = Number(readFileSync(file, "utf8"));
    stop.abort();
    expect(await caught).toMatchObject({ code: "INTERRUPTED" });
    expect(await isAlive(pid)).toBe(false);
    rmSync(dir, { recursive: true, force: true });
  });

  it("fails by its code when it takes too long, is not there, or was given up before", async () => {
    await expect(runCommand(node, ["-e", "setInterval(() => {}, 1000)"], { timeoutMs: 200 })).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
    });
    await expect(runCommand("no-such-program-of-tessera", [])).rejects.toMatchObject({ code: "RUNTIME_MISSING" });
    await expect(runCommand(node, [], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "INTERRUPTED" });
  });
});
