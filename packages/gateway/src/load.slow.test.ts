import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePnm } from "@tessera/core/signal/pnm";
import { encodeWav } from "@tessera/core/signal/wav";
import { loadGateway } from "@tessera/testkit/gateway-load";
import { fakeFace, fakeVoice, writeGatewayModels } from "@tessera/testkit/gateway-models";
import { spawnGateway } from "@tessera/testkit/gateway-process";
import { serviceClient, testServiceModels, writeGatewayFolder } from "@tessera/testkit/gateway-service";
import { expect, test } from "vitest";

/** By which a gateway's resident memory may grow under load: what it may hold of requests (64 MiB), as much again of copies, and what V8 leaves lying. */
const MOST_GROWTH_BYTES = 256 * 2 ** 20;

test("50 clients at once get the right decisions, without an error and in bounded memory", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-load-"));
  try {
    const home = join(folder, "home");
    const tokens = writeGatewayFolder(home, testServiceModels(writeGatewayModels(folder)), {
      workers: 2,
      enrol: { duplicates: "allow" },
    });
    const gateway = await spawnGateway(home);
    try {
      const client = serviceClient(gateway.url, tokens);
      const files = (person: number, take: number) => ({
        image: encodePnm(fakeFace({ person, take })),
        audio: encodeWav(fakeVoice({ person, take })),
      });
      const people = Array.from({ length: 10 }, (_, i) => i + 1);
      for (const person of people) expect((await client.enrol(`p${person}`, files(person, 0))).status).toBe(201);
      // Right tries and poor captures: wrong tries would end in the lock-out that has tests of its own.
      const cases = people.flatMap((person) => [
        { subject: `p${person}`, files: files(person, 1), decision: "accept" as const },
        { subject: `p${person}`, files: files(person, 2), decision: "accept" as const },
        {
          subject: `p${person}`,
          files: { ...files(person, 1), image: encodePnm(fakeFace({ person, blurred: true })) },
          decision: "retry" as const,
        },
      ]);
      const report = await loadGateway(gateway.url, tokens, { clients: 50, requests: 1500, cases });
      process.stderr.write(`${JSON.stringify(report)}\n`);
      expect(report.wrong).toEqual([]);
      expect(report.requests).toBe(1500);
      expect(report.rssPeakBytes - report.rssBeforeBytes).toBeLessThan(MOST_GROWTH_BYTES);
    } finally {
      expect((await gateway.stop()).code).toBe(0);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
