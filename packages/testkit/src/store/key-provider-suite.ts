import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyProvider } from "@tessera/gateway/keys/key-provider";
import { openStore } from "@tessera/gateway/store/open";
import { expect, it } from "vitest";
import { seededTemplate, unitVector } from "./store-state.ts";

/** What the suite needs of an implementation. `other` is one with another secret: another passphrase, TPM or token key. */
export interface KeyProviderCase {
  readonly mine: () => KeyProvider;
  readonly other: () => KeyProvider;
}

/** What every key provider must do. Call inside `describe`. */
export function keyProviderSuite({ mine, other }: KeyProviderCase): void {
  const aad = Buffer.from("device-1");

  it("unwraps what it wrapped, for the same binding alone", async () => {
    const key = randomBytes(32);
    const wrapped = await mine().wrap(key, aad);
    expect(Buffer.from(wrapped).includes(key)).toBe(false);
    expect(Buffer.from(await mine().unwrap(wrapped, aad)).equals(key)).toBe(true);
    await expect(mine().unwrap(wrapped, Buffer.from("device-2"))).rejects.toMatchObject({ code: "KEY_REJECTED" });
  });

  it("never wraps alike twice, and leaves the key as it was", async () => {
    const key = randomBytes(32);
    const copy = Buffer.from(key);
    const [a, b] = [await mine().wrap(key, aad), await mine().wrap(key, aad)];
    expect(Buffer.from(a).equals(b)).toBe(false);
    expect(copy.equals(key)).toBe(true);
  });

  it("refuses what another secret wrapped", async () => {
    const wrapped = await other().wrap(randomBytes(32), aad);
    await expect(mine().unwrap(wrapped, aad)).rejects.toMatchObject({ code: "KEY_REJECTED" });
  });

  it("refuses wrapped keys that were changed or cut", async () => {
    const wrapped = await mine().wrap(randomBytes(32), aad);
    const refusals = { code: expect.stringMatching(/^(KEY_REJECTED|STORE_DAMAGED)$/) };
    for (const at of [0, 4, 9, Math.floor(wrapped.length / 2), wrapped.length - 1]) {
      const changed = Uint8Array.from(wrapped, (byte, i) => (i === at ? byte ^ 1 : byte));
      await expect(mine().unwrap(changed, aad), `byte ${at}`).rejects.toMatchObject(refusals);
    }
    await expect(mine().unwrap(wrapped.slice(0, 10), aad)).rejects.toMatchObject(refusals);
    await expect(mine().unwrap(new Uint8Array(0), aad)).rejects.toMatchObject(refusals);
  });

  it("opens its store and no other one's", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tessera-keys-"));
    try {
      const store = await openStore({ dir, deviceId: "device-1", keys: mine() });
      await store.templates.enrol([seededTemplate("anna", 1)]);
      await store.compact({ rotate: true });
      await store.close();
      const again = await openStore({ dir, deviceId: "device-1", keys: mine() });
      expect(again.templates.score("anna", { modality: "face", space: "space", vector: unitVector(1) })).toBeCloseTo(1, 5);
      await again.close();
      await expect(openStore({ dir, deviceId: "device-1", keys: other() })).rejects.toMatchObject({ code: "KEY_REJECTED" });
      await expect(openStore({ dir, deviceId: "device-2", keys: mine() })).rejects.toMatchObject({ code: "KEY_REJECTED" });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
}
