import { unitVector } from "@tessera/testkit/store/store-state";
import { describe, expect, it } from "vitest";
import { isSealedFor, protect, protectionKeys, unprotect } from "./protection.ts";

const identity = { storeId: new Uint8Array(16).fill(1), deviceId: "device" };
const data = { epoch: 1, key: new Uint8Array(32).fill(2) };
const keys = protectionKeys(data, identity);
const binding = { id: "id", subject: "anna", modality: "face", space: "space", dimension: 64 };
const vector = unitVector(1, 64);

describe("a protected template", () => {
  it("opens as what it was, and is another one each time", () => {
    const sealed = [protect(keys, binding, vector), protect(keys, binding, vector)];
    for (const one of sealed) {
      const opened = unprotect(keys, binding, one);
      for (let i = 0; i < 64; i++) expect(Math.abs((opened[i] ?? 0) - (vector[i] ?? 0))).toBeLessThan(1e-6);
    }
    expect(sealed[0]).not.toEqual(sealed[1]);
  });

  it("opens for no other template, subject, modality, space, length, device, store, key or epoch", () => {
    const sealed = protect(keys, binding, vector);
    expect(isSealedFor(keys, binding, sealed)).toBe(true);
    const others = [
      ...(["id", "subject", "modality", "space"] as const).map((field) => ({ keys, binding: { ...binding, [field]: "other" } })),
      { keys, binding: { ...binding, dimension: 63 } },
      // Moving a letter from one name to the next must not give the same binding.
      { keys, binding: { ...binding, id: "ida", subject: "nna" } },
      { keys: protectionKeys(data, { ...identity, deviceId: "other" }), binding },
      { keys: protectionKeys(data, { ...identity, storeId: new Uint8Array(16) }), binding },
      { keys: protectionKeys({ ...data, epoch: 2 }, identity), binding },
      { keys: protectionKeys({ ...data, key: new Uint8Array(32) }, identity), binding },
    ];
    for (const other of others) {
      expect(isSealedFor(other.keys, other.binding, sealed)).toBe(false);
      expect(() => unprotect(other.keys, other.binding, sealed)).toThrow(expect.objectContaining({ code: "STORE_DAMAGED" }));
    }
    // Not by the keys alone: the very same keys under the wrong epoch number.
    expect(isSealedFor({ ...keys, epoch: 2 }, binding, sealed)).toBe(false);
  });

  it("opens with not one bit changed", () => {
    const sealed = protect(keys, binding, vector);
    for (let at = 0; at < sealed.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Uint8Array.from(sealed, (byte, i) => (i === at ? byte ^ (1 << bit) : byte));
        expect(isSealedFor(keys, binding, changed)).toBe(false);
      }
    }
    for (let length = 0; length < sealed.length; length++)
      expect(isSealedFor(keys, binding, sealed.subarray(0, length))).toBe(false);
  });
});
