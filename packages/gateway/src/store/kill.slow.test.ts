import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killRounds } from "@tessera/testkit/store/store-kill";
import { expect, it } from "vitest";

it("loses nothing acknowledged and brings nothing back when its process is killed at 200 random moments", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tessera-kill-"));
  try {
    const report = await killRounds(dir, { rounds: 200, seed: 20_261_123 });
    expect(report.kills).toBe(200);
    expect(report.acknowledged).toBeGreaterThan(200);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
