import { symlinkSync } from "node:fs";
import { join } from "node:path";
import type { OptimizeReport } from "@tessera/core/protocol/report";
import { readHardware } from "@tessera/runtimes/hardware";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { startAgent } from "@tessera/runtimes/remote/agent";
import { readToken, writeNewToken } from "@tessera/runtimes/remote/token";
import { cardPath } from "@tessera/testkit/cards";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { smallLfw } from "@tessera/testkit/small-lfw";
import { renderReport } from "@tessera/web/report";
import { runCommand } from "citty";
import { describe, expect, test } from "vitest";
import { optimize } from "./optimize.ts";

const shared = sharedDir();

describe.skipIf(shared === undefined)("optimize with times of a device (needs ../shared)", () => {
  const sandbox = commandSandbox("tessera-optimize-on-");

  test("has the device's times and memory, this machine's accuracy, and says so; what the device lacks is said before the work", async () => {
    const data = join(sandbox.folder, "small-lfw");
    smallLfw(data, join(shared ?? "", "data/lfw"), { people: 12, calibration: 12 });
    const model = join(sandbox.folder, "mobilefacenet.onnx");
    symlinkSync(join(shared ?? "", "models/face-embedding/mobilefacenet-foamliu-128.onnx"), model);
    const tokenFile = join(sandbox.folder, "agent.token");
    writeNewToken(tokenFile);
    const lines: string[] = [];
    // A slow device: told apart from this machine by its name, and by taking a second for everything.
    const inner = await ortNodeRuntime();
    const device = {
      ...inner,
      version: "1.0.0",
      load: async (...args: Parameters<typeof inner.load>) => ({
        ...(await inner.load(...args)),
        time: async (_: unknown, { runs }: { readonly runs: number }) => ({
          wallMs: Array<number>(runs).fill(1000),
          cpuMs: 1000 * runs,
        }),
      }),
    };
    const agent = await startAgent({
      host: "127.0.0.1",
      port: 0,
      token: readToken(tokenFile),
      version: "9.9.9",
      hardware: { ...(await readHardware()), cpu: "Board of the test" },
      runtimes: [device],
      log: (line) => lines.push(line),
    });
    const out = join(sandbox.folder, "out");
    const optimized = (...more: readonly string[]) =>
      printedBy(() =>
        runCommand(optimize, {
          rawArgs: [
            ...[model, "-o", out, "--data", data, "--card", cardPath("mobilefacenet-foamliu-128"), "--far", "1e-1"],
            ...["--detector", join(shared ?? "", "models/face-detection/yunet-n-320.onnx"), "--cards", join(cardPath("x"), "..")],
            ...["--on-no-face", "centre-crop", "--choice", "central", "--replicates", "20", "--rounds", "3", "--search", "off"],
            ...["--on", `127.0.0.1:${agent.port}`, "--token-file", tokenFile, "--json", "--quiet", ...more],
          ],
        }),
      );
    const report = JSON.parse((await optimized()).out) as OptimizeReport;
    for (const c of report.candidates) {
      expect(c.latency).toMatchObject({ p50Ms: 1000, ratioToBaseline: { median: 1 } });
      expect(c.latency.peakRssBytes).toBeGreaterThan(0);
    }
    expect(report.machine.processor).not.toBe("Board of the test");
    expect(report.timedOn?.machine).toMatchObject({
      processor: "Board of the test",
      runtimes: [{ id: "ort-node", version: "1.0.0" }],
    });
    expect(report.timedOn?.notes.join("\n")).toMatch(/ort-node is 1\.0\.0 on the device[\s\S]*Tessera is 9\.9\.9 on the device/);
    expect(report.timedOn?.parity.map((p) => p.name)).toEqual(expect.arrayContaining(report.candidates.map((c) => c.id)));
    for (const p of report.timedOn?.parity ?? []) expect(p.largestDifference).toBe(0);
    expect(report.basis?.measured).toMatch(/^Times of models and memory were measured on the device \(Board of the test\)/);
    expect(renderReport(report)).toContain("Board of the test");
    // Asked once before the work, once for the times.
    expect(lines.filter((line) => line === "taken")).toHaveLength(2);

    const before = lines.length;
    await expect(optimized("--target", "litert")).rejects.toThrow(expect.objectContaining({ code: "RUNTIME_MISSING" }));
    expect(lines.slice(before)).toEqual(["taken", "free: given back"]);
    await agent.close();
  });
});
