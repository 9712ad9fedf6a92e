import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { abuseGateway } from "@tessera/testkit/gateway-abuse";
import { writeGatewayModels } from "@tessera/testkit/gateway-models";
import { fakeSamples } from "@tessera/testkit/gateway-samples";
import { serviceClient, testServiceModels, writeGatewayFolder } from "@tessera/testkit/gateway-service";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";
import { startGateway } from "./start.ts";

test("300 damaged uploads get answers of the API, every one, and the gateway goes on", { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-abuse-"));
  try {
    const tokens = writeGatewayFolder(join(folder, "home"), testServiceModels(writeGatewayModels(folder)), {
      workers: 1,
      enrol: { duplicates: "allow" },
      limits: { maxPixels: 200_000, maxSeconds: 5 },
    });
    const running = await startGateway(readConfig(join(folder, "home")), { version: "1" });
    try {
      const report = await abuseGateway(running.url, tokens, { samples: await fakeSamples(), count: 300, seed: 7000 });
      expect(report.wrong).toEqual([]);
      // Enough of them came far: to networks and to comparison.
      expect(report.decisions["retry"]).toBeGreaterThan(20);
      expect(report.decisions["reject"]).toBeGreaterThan(20);
      expect(report.statuses[400]).toBeGreaterThan(20);
      expect(report.statuses[415]).toBeGreaterThan(10);
      expect(report.decisions["accept"]).toBeUndefined();
      const health = await serviceClient(running.url, tokens).ask(undefined, "GET /v1/health");
      expect(await health.json()).toMatchObject({ status: "ok" });
    } finally {
      await running.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
