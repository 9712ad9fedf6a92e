import { joinParts, u64 } from "./bytes.ts";
import { deriveKey } from "./seal.ts";

/** Whose store it is: bound into every key and every sealed record. */
export interface StoreIdentity {
  /** 16 random bytes, drawn when the store was made. */
  readonly storeId: Uint8Array;
  readonly deviceId: string;
}

/** A data key and its number, which goes up with every rotation. */
export interface DataKey {
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** The keys of one journal under one data key. */
export interface JournalKeys {
  readonly epoch: number;
  readonly head: Uint8Array;
  readonly chain: Uint8Array;
  /** For the descriptions of records. */
  readonly meta: Uint8Array;
}

/** A key of one purpose: another purpose, epoch, store or device gives another key. */
export function purposeKey(data: DataKey, identity: StoreIdentity, purpose: string): Uint8Array {
  return deriveKey(data.key, identity.storeId, joinParts("tessera store 1", purpose, identity.deviceId, u64(data.epoch)));
}

/** The keys of a journal. */
export function journalKeys(data: DataKey, identity: StoreIdentity, name: string): JournalKeys {
  return {
    epoch: data.epoch,
    head: purposeKey(data, identity, `${name} head`),
    chain: purposeKey(data, identity, `${name} chain`),
    meta: purposeKey(data, identity, `${name} meta`),
  };
}

/** Overwrites the keys of a journal. */
export function wipeKeys(keys: JournalKeys): void {
  for (const key of [keys.head, keys.chain, keys.meta]) key.fill(0);
}
