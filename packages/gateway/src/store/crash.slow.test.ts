import { dieAt, surviveAnything } from "@tessera/testkit/store/store-crash";
import { describe, expect, it } from "vitest";

describe("a store whose machine dies, at length", () => {
  it.each(["process", "power"] as const)("loses nothing acknowledged when %s ends at any operation", async (how) => {
    let operation = 0;
    while (await dieAt(operation, how, operation + 1)) operation++;
    expect(operation).toBeGreaterThan(100);
    for (let seed = 1; seed <= 10; seed++) for (let i = 0; i < operation; i++) await dieAt(i, how, 1000 * seed + i);
  });

  it("is always in a state that was acknowledged or asked for, whatever is done and whatever fails", async () => {
    await surviveAnything(2500);
  });
});
