import { dieAt, failThenLosePower, surviveAnything } from "@tessera/testkit/store/store-crash";
import { describe, expect, it } from "vitest";

describe("a store whose machine dies", () => {
  it.each(["process", "power"] as const)("loses nothing acknowledged when %s ends at any fourth operation", async (how) => {
    let operation = how === "process" ? 0 : 2;
    while (await dieAt(operation, how, operation + 1)) operation += 4;
    expect(operation).toBeGreaterThan(100);
  });

  it("has on the medium what it takes up after a write whose flush failed", async () => {
    for (let n = 0; n < 5; n++) for (let seed = 1; seed <= 10; seed++) await failThenLosePower(n, seed);
  });

  it("is always in a state that was acknowledged or asked for, whatever is done and whatever fails", async () => {
    await surviveAnything(60);
  });
});
