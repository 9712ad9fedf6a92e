import { seededRandom } from "@tessera/core/base/random";
import { alteredFiles, outcomeOf, placesOf, REFUSALS, storeHistory } from "@tessera/testkit/store/store-history";
import { describe, expect, it } from "vitest";

const random = seededRandom(1);

describe("a store that somebody altered, everywhere", () => {
  it("refuses a changed byte anywhere, or shows the very same state", async () => {
    const { files, state } = await storeHistory();
    const told = new Map<string, { same: number; refused: number }>();
    for (const [name, at] of placesOf(files, { oneOf: 1, random })) {
      const counts = told.get(name) ?? { same: 0, refused: 0 };
      told.set(name, counts);
      for (const flip of [1 << random.int(8), 1 + random.int(255)]) {
        const found = await outcomeOf(alteredFiles(files, name, (b) => b.with(at, (b[at] ?? 0) ^ flip)));
        if (found === state) counts.same++;
        else {
          expect(REFUSALS, `${name} at ${at}`).toContain(found);
          counts.refused++;
        }
      }
    }
    for (const [name, { same, refused }] of told) {
      // In a head, the newest slot's whole content follows from the commit it speaks of, and between the slots lies nothing.
      if (name.endsWith(".head")) expect(refused).toBeGreaterThan(200);
      else expect(same, name).toBe(0);
    }
  });

  it("refuses every length of every file, or shows the very same state", async () => {
    const { files, state } = await storeHistory();
    for (const [name, length] of placesOf(files, { oneOf: 1, random })) {
      const found = await outcomeOf(alteredFiles(files, name, (b) => b.slice(0, length)));
      if (found === state) expect(name, `cut to ${length}`).toMatch(/\.head$/);
      else expect(REFUSALS, `${name} cut to ${length}`).toContain(found);
    }
  });
});
