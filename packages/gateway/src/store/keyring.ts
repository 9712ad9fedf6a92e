import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import * as v from "valibot";
import type { KeyProvider } from "../keys/key-provider.ts";
import { joinParts, u64 } from "./bytes.ts";
import { type DataKey, purposeKey, type StoreIdentity } from "./journal-keys.ts";
import { seal, unseal } from "./seal.ts";
import type { StoreFs } from "./store-fs.ts";

/** The data keys of a store, as they are in memory while it is open. */
export interface Keyring {
  readonly identity: StoreIdentity;
  readonly provider: KeyProvider;
  /** By epoch, oldest first; more than one only while a rotation is under way. */
  readonly dataKeys: readonly WrappedKey[];
  /** The audit log outlives rotations: it has a key of its own, sealed under the data keys. */
  readonly auditKey: DataKey;
}

/** A data key and its wrapped form. */
export interface WrappedKey extends DataKey {
  readonly wrapped: Uint8Array;
}

const FILE = "keys.json";
const base64 = v.pipe(v.string(), v.base64());
const schema = v.strictObject({
  format: v.literal(1),
  storeId: base64,
  provider: v.string(),
  keys: v.pipe(v.array(v.strictObject({ epoch: v.number(), wrapped: base64, audit: base64 })), v.minLength(1), v.maxLength(2)),
  mac: base64,
});

/** A new store's keys, not yet on disk. */
export async function createKeyring(provider: KeyProvider, deviceId: string): Promise<Keyring> {
  const identity = { storeId: new Uint8Array(randomBytes(16)), deviceId };
  const dataKey = await newDataKey(provider, identity, 1);
  return { identity, provider, dataKeys: [dataKey], auditKey: { epoch: 1, key: new Uint8Array(randomBytes(32)) } };
}

/** Draws the data key of an epoch and has it wrapped. @throws KEY_UNAVAILABLE */
export async function newDataKey(provider: KeyProvider, identity: StoreIdentity, epoch: number): Promise<WrappedKey> {
  const key = new Uint8Array(randomBytes(32));
  return { epoch, key, wrapped: await provider.wrap(key, wrapAad(identity, epoch)) };
}

/** Puts the keyring on disk, whole or not at all. */
export async function writeKeyring(fs: StoreFs, dir: string, keyring: Keyring): Promise<void> {
  const path = join(dir, FILE);
  const file = await fs.open(`${path}.tmp`, "create");
  try {
    await file.write(encode(keyring), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.rename(`${path}.tmp`, path);
  await fs.syncFolder(dir);
}

/** Reads the keyring and has its keys unwrapped. @throws STORE_DAMAGED, KEY_UNAVAILABLE, KEY_REJECTED */
export async function readKeyring(fs: StoreFs, dir: string, who: { keys: KeyProvider; deviceId: string }): Promise<Keyring> {
  const bytes = await fs.read(join(dir, FILE));
  if (bytes === undefined) throw fail("STORE_DAMAGED", "Cannot open the store: its keys are missing");
  const parsed = v.safeParse(schema, jsonOf(bytes));
  if (!parsed.success) throw fail("STORE_DAMAGED", "Cannot open the store: its key file is malformed");
  const record = parsed.output;
  if (record.provider !== who.keys.id) {
    throw fail("KEY_REJECTED", `Cannot open the store: its key was wrapped by another provider than ${who.keys.id}`);
  }
  const identity = { storeId: bytesOf(record.storeId), deviceId: who.deviceId };
  const dataKeys: WrappedKey[] = [];
  let auditKey: Uint8Array | undefined;
  for (const { epoch, wrapped, audit } of record.keys) {
    const key = await who.keys.unwrap(bytesOf(wrapped), wrapAad(identity, epoch));
    const data = { epoch, key, wrapped: bytesOf(wrapped) };
    dataKeys.push(data);
    auditKey = unseal(purposeKey(data, identity, "audit key"), bytesOf(audit), joinParts("audit key"));
    if (auditKey === undefined) throw fail("KEY_REJECTED", "Cannot open the store: its audit key does not open");
  }
  const newest = dataKeys.at(-1);
  if (newest === undefined || auditKey === undefined) throw fail("STORE_DAMAGED", "Cannot open the store: it has no key");
  // The text is compared whole, so that not a space of the file can change unnoticed.
  if (textOf(identity, who.keys.id, { entries: record.keys, newest }) !== Buffer.from(bytes).toString("latin1")) {
    throw fail("STORE_DAMAGED", "Cannot open the store: its key file was altered");
  }
  return { identity, provider: who.keys, dataKeys, auditKey: { epoch: 1, key: auditKey } };
}

/** Overwrites the keys in memory. */
export function wipeKeyring(keyring: Keyring): void {
  for (const { key } of [...keyring.dataKeys, keyring.auditKey]) key.fill(0);
}

function encode(keyring: Keyring): Uint8Array {
  const { identity, provider, dataKeys, auditKey } = keyring;
  const newest = dataKeys.at(-1);
  if (newest === undefined) throw fail("STORE_DAMAGED", "Cannot write the keys: there are none");
  const entries = dataKeys.map((data) => ({
    epoch: data.epoch,
    wrapped: text(data.wrapped),
    audit: text(seal(purposeKey(data, identity, "audit key"), auditKey.key, joinParts("audit key"))),
  }));
  return Buffer.from(textOf(identity, provider.id, { entries, newest }), "latin1");
}

function textOf(
  identity: StoreIdentity,
  provider: string,
  content: { entries: readonly { epoch: number; wrapped: string; audit: string }[]; newest: DataKey },
): string {
  const keys = content.entries.map(({ epoch, wrapped, audit }) => ({ epoch, wrapped, audit }));
  const body = { format: 1, storeId: text(identity.storeId), provider, keys };
  const mac = createHmac("sha256", purposeKey(content.newest, identity, "keyring"))
    .update(JSON.stringify(body))
    .digest("base64");
  return `${JSON.stringify({ ...body, mac }, null, 2)}\n`;
}

function wrapAad(identity: StoreIdentity, epoch: number): Uint8Array {
  return joinParts("tessera data key", identity.storeId, identity.deviceId, u64(epoch));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function bytesOf(encoded: string): Uint8Array {
  return new Uint8Array(Buffer.from(encoded, "base64"));
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
