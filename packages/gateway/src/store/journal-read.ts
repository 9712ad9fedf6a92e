import { fail } from "@tessera/core/base/error";
import { joinParts, u64 } from "./bytes.ts";
import { type Frame, readFrame } from "./frame.ts";
import type { JournalKeys, StoreIdentity } from "./journal-keys.ts";
import { unseal } from "./seal.ts";

/** A record as its owner gets it back. */
export interface StoredRecord {
  readonly kind: number;
  readonly sequence: number;
  /** Opened description. */
  readonly meta: Uint8Array;
  /** Still sealed, as its owner sealed it. */
  readonly secret: Uint8Array;
  /** Where in the file the sealed secret begins. */
  readonly secretAt: number;
}

/** A place in a journal: behind which record, at which byte. */
export interface JournalPlace {
  readonly sequence: number;
  readonly chain: Uint8Array;
  /** Bytes. */
  readonly length: number;
}

/** What the description of a record is bound to. */
export function metaAad(
  identity: StoreIdentity,
  name: string,
  record: { epoch: number; sequence: number; kind: number },
): Uint8Array {
  return joinParts(
    "tessera record",
    name,
    identity.storeId,
    identity.deviceId,
    u64(record.epoch),
    u64(record.sequence),
    u64(record.kind),
  );
}

/**
 * The records from a place on, up to the end of the last whole group, and the place behind it. Reads at most up to `until` bytes.
 * `broken` says why it went no further, where it did not end with the file.
 */
export function readGroups(
  file: Uint8Array,
  from: JournalPlace,
  options: { readonly keys: JournalKeys; readonly identity: StoreIdentity; readonly name: string; readonly groups?: number },
): { readonly records: readonly StoredRecord[]; readonly end: JournalPlace; readonly broken?: string } {
  const records: StoredRecord[] = [];
  let whole = 0;
  let groups = 0;
  let end = from;
  let place = from;
  let broken: string | undefined;
  while (place.length < file.length && groups < (options.groups ?? Number.POSITIVE_INFINITY)) {
    const read = readFrame(file, place.length, { ...place, key: options.keys.chain });
    if ("broken" in read) {
      broken = read.broken;
      break;
    }
    const meta = openMeta(read.frame, options);
    if (meta === undefined) {
      broken = "a record does not open";
      break;
    }
    const { kind, sequence, secret, chain, last } = read.frame;
    records.push({ kind, sequence, meta, secret, secretAt: read.secretAt });
    place = { sequence, chain, length: read.end };
    if (last) {
      whole = records.length;
      groups++;
      end = place;
    }
  }
  if (broken === undefined && place !== end) broken = "it ends within a group";
  return { records: records.slice(0, whole), end, ...(broken === undefined ? {} : { broken }) };
}

/** What a journal acknowledged, which must be there to the last bit. @throws STORE_DAMAGED */
export function readAcknowledged(
  file: Uint8Array,
  from: JournalPlace,
  to: JournalPlace,
  options: { readonly keys: JournalKeys; readonly identity: StoreIdentity; readonly name: string },
): readonly StoredRecord[] {
  if (file.length < to.length) {
    throw fail(
      "STORE_DAMAGED",
      `Cannot open the ${options.name}: ${to.length - file.length} acknowledged bytes are missing at its end`,
    );
  }
  const { records, end, broken } = readGroups(file.subarray(0, to.length), from, options);
  if (broken !== undefined) {
    throw fail("STORE_DAMAGED", `Cannot open the ${options.name}: ${broken}`, { at: { offset: end.length } });
  }
  if (end.sequence !== to.sequence || end.length !== to.length || !Buffer.from(end.chain).equals(to.chain)) {
    throw fail("STORE_DAMAGED", `Cannot open the ${options.name}: it does not end as its head says`);
  }
  return records;
}

function openMeta(frame: Frame, options: { keys: JournalKeys; identity: StoreIdentity; name: string }): Uint8Array | undefined {
  const aad = metaAad(options.identity, options.name, { epoch: options.keys.epoch, ...frame });
  return unseal(options.keys.meta, frame.meta, aad);
}
