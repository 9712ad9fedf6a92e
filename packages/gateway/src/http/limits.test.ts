import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createGate } from "./gate.ts";
import { createNonces } from "./nonces.ts";
import { createRateLimit } from "./rate-limit.ts";
import { mayCall, ROLES } from "./roles.ts";

describe("createRateLimit", () => {
  test("lets through no more than the burst and what the time since gives, and no less", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat(5000), { maxLength: 80 }),
        (perMinute, burst, steps) => {
          let nowMs = 0;
          const limit = createRateLimit({ perMinute, burst, now: () => nowMs });
          let tokens = burst;
          for (const step of steps) {
            nowMs += step;
            tokens = Math.min(burst, tokens + (step * perMinute) / 60_000);
            const waitMs = limit.take("a");
            // Away from the edge, where rounding decides.
            if (Math.abs(tokens - 1) > 1e-6) expect(waitMs === 0).toBe(tokens > 1);
            if (waitMs === 0) tokens -= 1;
            else expect(waitMs).toBeCloseTo(((1 - tokens) * 60_000) / perMinute, 3);
          }
        },
      ),
    );
  });

  test("lets everybody in again soon after the clock was set back by hours", () => {
    let nowMs = 1e9;
    const limit = createRateLimit({ perMinute: 60, now: () => nowMs });
    expect(limit.take("a")).toBe(0);
    nowMs = 0;
    expect(limit.take("a")).toBeLessThanOrEqual(1000);
    nowMs = 1000;
    expect(limit.take("a")).toBe(0);
  });

  test("forgets those longest at rest instead of growing without end", () => {
    const limit = createRateLimit({ perMinute: 1, now: () => 0 });
    expect(limit.take("first")).toBe(0);
    expect(limit.take("first")).toBeGreaterThan(0);
    for (let i = 0; i < 10_001; i++) limit.take(`k${i}`);
    expect(limit.take("first")).toBe(0);
  });
});

describe("createGate", () => {
  test("runs so many at a time, lets so many wait in their order, refuses the rest, and is empty again afterwards", async () => {
    const gate = createGate({ concurrent: 2, queue: 3 });
    const ends: (() => void)[] = [];
    const began: number[] = [];
    const jobs = Array.from({ length: 5 }, (_, i) =>
      gate.run(() => {
        began.push(i);
        return new Promise<void>((resolve) => ends.push(resolve));
      }),
    );
    expect([gate.running, gate.waiting]).toEqual([2, 3]);
    await expect(gate.run(async () => {})).rejects.toMatchObject({ code: "GATEWAY_BUSY" });
    for (let i = 0; i < 5; i++) {
      ends[i]?.();
      await jobs[i];
      await Promise.resolve();
    }
    expect(began).toEqual([0, 1, 2, 3, 4]);
    expect([gate.running, gate.waiting]).toEqual([0, 0]);
    await expect(gate.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(gate.running).toBe(0);
  });
});

describe("createNonces", () => {
  test("every changed bit of a nonce is refused", () => {
    const nonces = createNonces({ now: () => 0 });
    const { nonce } = nonces.issue("a");
    const bytes = Buffer.from(nonce, "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => nonces.use("a", changed.toString("base64url"), "")).toThrow(
        expect.objectContaining({ code: "NONCE_INVALID" }),
      );
    }
    nonces.use("a", nonce, "");
  });

  test("forgets used ones only when they have run out, and refuses rather than forget", () => {
    let nowMs = 0;
    const nonces = createNonces({ now: () => nowMs, lifetimeMs: 100, maxUsed: 3 });
    for (let i = 0; i < 3; i++) nonces.use("a", nonces.issue("a").nonce, "");
    const { nonce } = nonces.issue("a");
    expect(() => nonces.use("a", nonce, "")).toThrow(expect.objectContaining({ code: "GATEWAY_BUSY" }));
    nowMs = 100;
    expect(() => nonces.use("a", nonce, "")).toThrow(expect.objectContaining({ code: "NONCE_INVALID" }));
    nonces.use("a", nonces.issue("a").nonce, "");
  });
});

describe("mayCall", () => {
  test("roles grow from capture to developer; the auditor may only what is the auditor's", () => {
    const table = ROLES.map((role) => (["any", ...ROLES] as const).filter((needed) => mayCall(role, needed)));
    expect(table).toEqual([
      ["any", "capture"],
      ["any", "capture", "operator"],
      ["any", "capture", "operator", "developer"],
      ["any", "auditor"],
    ]);
  });
});
