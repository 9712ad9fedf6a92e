import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { abuseGateway } from "@tessera/testkit/gateway-abuse";
import { writeGatewayModels } from "@tessera/testkit/gateway-models";
import { fakeSamples, realSamples, sharedModels } from "@tessera/testkit/gateway-samples";
import { serviceClient, testServiceModels, writeGatewayFolder } from "@tessera/testkit/gateway-service";
import { sharedDir } from "@tessera/testkit/shared";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";
import { startGateway } from "./start.ts";

const shared = sharedDir();

/** By which the peak of resident memory may grow after the first 500 uploads. Seen over 5,000: 7 MB, at 510 MB for service, two workers and clients. */
const MOST_GROWTH_BYTES = 100 * 2 ** 20;

test("10,000 damaged uploads get answers of the API, every one, in bounded memory", { timeout: 3_600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-abuse-"));
  try {
    // Real networks, pictures and voices where they are; else those of the tests.
    const models = shared === undefined ? testServiceModels(writeGatewayModels(folder)) : sharedModels(shared);
    const samples = shared === undefined ? await fakeSamples() : await realSamples(shared);
    const tokens = writeGatewayFolder(join(folder, "home"), models, { workers: 2, enrol: { duplicates: "allow" } });
    const running = await startGateway(readConfig(join(folder, "home")), { version: "1" });
    try {
      const warm = await abuseGateway(running.url, tokens, { samples, count: 500, seed: 1 });
      const report = await abuseGateway(running.url, tokens, { samples, count: 9500, seed: 501 });
      const growth = report.peakRssBytes - warm.peakRssBytes;
      process.stderr.write(
        `${JSON.stringify({ statuses: report.statuses, decisions: report.decisions, warmMB: warm.peakRssBytes >> 20, growthMB: growth >> 20 })}\n`,
      );
      expect([...warm.wrong, ...report.wrong]).toEqual([]);
      expect(report.decisions["retry"]).toBeGreaterThan(500);
      expect(report.decisions["accept"]).toBeUndefined();
      expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
      const health = await serviceClient(running.url, tokens).ask(undefined, "GET /v1/health");
      expect(await health.json()).toMatchObject({ status: "ok" });
    } finally {
      await running.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
