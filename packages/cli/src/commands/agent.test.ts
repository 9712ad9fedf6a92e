import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { addFile, convFile } from "@tessera/testkit/runtime-models";
import { type CommandDef, runCommand } from "citty";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeFile } from "../io/files.ts";
import type { BenchReport } from "../work/bench.ts";
import { agent } from "./agent.ts";
import { bench } from "./bench.ts";

const coded = (code: string, words = "") => expect.objectContaining({ code, message: expect.stringContaining(words) });

async function run(command: CommandDef, ...args: readonly string[]) {
  const printed = await printedBy(() => runCommand(command, { rawArgs: [...args] }));
  return { ...printed, code: process.exitCode };
}

/** `tessera agent` as a process of its own, from sources. */
async function startedAgent(
  ...args: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly address: string; said(): string }> {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", "--import", tsx, main, "agent", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  let said = "";
  const address = await new Promise<string>((resolve, reject) => {
    const hear = (part: Buffer): void => {
      said += part.toString();
      const found = /listening on (\S+)\n/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("close", (code) => reject(new Error(`the agent ended with ${code}: ${said}`)));
  });
  return { child, address, said: () => said };
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("close", (code) => resolve(code)));
}

describe("tessera agent", () => {
  const sandbox = commandSandbox("tessera-agent-");
  let token: string;
  let device: Awaited<ReturnType<typeof startedAgent>>;

  beforeAll(async () => {
    token = join(sandbox.folder, "agent.token");
    await run(agent, "--new-token", token);
    device = await startedAgent("--listen", "127.0.0.1:0", "--token-file", token, "--runtimes", "ort-node");
    writeFile(join(sandbox.folder, "a.onnx"), convFile());
    writeFile(join(sandbox.folder, "b.onnx"), convFile());
  });
  afterAll(() => {
    device.child.kill("SIGKILL");
  });

  test("makes a token of 256 bits that only its owner reads, never shows it, and never writes over one", async () => {
    const path = join(sandbox.folder, "other.token");
    const { out, err } = await run(agent, "--new-token", path);
    const made = readFileSync(path, "utf8").trim();
    expect(Buffer.from(made, "base64url")).toHaveLength(32);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(`${out}${err}`).not.toContain(made);
    await expect(runCommand(agent, { rawArgs: ["--new-token", path] })).rejects.toThrow(coded("IO"));
    expect(readFileSync(path, "utf8").trim()).toBe(made);
  });

  test("does not start without a token, with one that others may read, or in the clear beyond this machine", async () => {
    const start = (...args: readonly string[]) => runCommand(agent, { rawArgs: [...args] });
    await expect(start()).rejects.toThrow(coded("USAGE", "without a token"));
    const shared = join(sandbox.folder, "shared.token");
    writeFileSync(shared, readFileSync(token));
    chmodSync(shared, 0o640);
    await expect(start("--token-file", shared)).rejects.toThrow(coded("USAGE", "others than its owner"));
    writeFileSync(shared, "guess-me\n");
    chmodSync(shared, 0o600);
    await expect(start("--token-file", shared)).rejects.toThrow(coded("USAGE", "too easy to guess"));
    await expect(start("--token-file", token, "--listen", "0.0.0.0:0")).rejects.toThrow(coded("USAGE", "open to the network"));
    await expect(start("--token-file", token, "--runtimes", "native-c")).rejects.toThrow(coded("USAGE"));
    await expect(start("--token-file", token, "--tls-key", token)).rejects.toThrow(coded("USAGE", "go together"));
  });

  test("takes the times of a bench, which says who took them and that the outputs agree", async () => {
    const files = ["a.onnx", "b.onnx"].map((name) => join(sandbox.folder, name));
    const args = [...files, "--on", device.address, "--token-file", token, "--rounds", "3", "--runs", "2"];
    const { out } = await run(bench, ...args, "--json");
    const report = JSON.parse(out) as BenchReport;
    expect(report.models).toMatchObject([
      { baseline: true, runs: 6, speedup: { value: 1 }, memory: { kind: "memory" } },
      { baseline: false, runs: 6, memory: { kind: "memory" } },
    ]);
    expect(report.timedOn?.machine.processor).toBe(report.machine.processor);
    expect(report.timedOn?.machine.runtimes).toEqual(report.machine.runtimes);
    expect(report.timedOn?.parity.map((p) => [p.name, p.largestDifference])).toEqual([
      ["a.onnx", 0],
      ["b.onnx", 0],
    ]);
    expect(report.timedOn?.notes).toEqual([]);
    expect(out).not.toContain(readFileSync(token, "utf8").trim());
    const plain = await run(bench, ...args.slice(1), "--no-memory");
    expect(plain.out).toContain("timed on the device: ");
    expect(plain.out).toContain("one run there against one here: largest difference 0.0e+0");
  });

  test("is asked for nothing with another token, without one, or by words that are no address", async () => {
    const other = join(sandbox.folder, "wrong.token");
    await run(agent, "--new-token", other);
    const a = join(sandbox.folder, "a.onnx");
    const asked = (...args: readonly string[]) => printedBy(() => runCommand(bench, { rawArgs: [a, ...args] }));
    await expect(asked("--on", device.address, "--token-file", other)).rejects.toThrow(
      coded("AGENT_REFUSED", "the token is not"),
    );
    await expect(asked("--on", device.address)).rejects.toThrow(coded("USAGE", "without the token"));
    await expect(asked("--token-file", token)).rejects.toThrow(coded("USAGE", "without --on"));
    await expect(asked("--on", "here", "--token-file", token)).rejects.toThrow(coded("USAGE", "HOST:PORT"));
    await expect(asked("--on", "127.0.0.1:1", "--token-file", token)).rejects.toThrow(
      coded("RUNTIME_FAILED", "Cannot reach the device"),
    );
  });

  test("says what it lacks when a file runs on a runtime that it does not offer", async () => {
    const a = join(sandbox.folder, "web.onnx");
    writeFile(a, addFile());
    const args = [a, "--runtime", "ort-web", "--on", device.address, "--token-file", token];
    await expect(printedBy(() => runCommand(bench, { rawArgs: args }))).rejects.toThrow(
      coded("RUNTIME_MISSING", "the device has ort-node"),
    );
  });

  test("ends when it is asked to, having said who came and went and no secret", async () => {
    const end = ended(device.child);
    device.child.kill("SIGTERM");
    expect(await end).toBe(0);
    expect(device.said()).toMatch(/taken\n[\s\S]*free: given back\n/);
    expect(device.said()).not.toContain(readFileSync(token, "utf8").trim());
  });
});
