import { fail } from "@tessera/core/base/error";
import type { StoreClock } from "./clock.ts";
import type { Journal, JournalRecord } from "./journal.ts";
import { journalKeys } from "./journal-keys.ts";
import type { StoredRecord } from "./journal-read.ts";
import { type Keyring, newDataKey, wipeKeyring, writeKeyring } from "./keyring.ts";
import { isSealedFor, type ProtectionKeys, protect, protectionKeys, unprotect } from "./protection.ts";
import { decodeRecord, encodeRecord, type LockoutRecord, type StoreRecord } from "./records.ts";
import { serially } from "./serially.ts";
import { diskError, type StoreFs } from "./store-fs.ts";
import { type TableEntry, TemplateTable } from "./template-table.ts";

/** Below this many bytes a deleted template leaves the file before its deletion is acknowledged; above, with the next compaction. */
const ERASE_AT_ONCE_BYTES = 1 << 20;
/** A file is compacted when it is this much longer than twice what it was after the last time. */
const SLACK_BYTES = 1 << 20;

/** What an open vault is made of. */
export interface VaultParts {
  readonly fs: StoreFs;
  readonly dir: string;
  readonly clock: StoreClock;
  readonly journal: Journal;
  readonly keyring: Keyring;
}

/** The templates' journal, open, with what it says in memory. One piece of work at a time changes it. */
export class Vault {
  readonly table: TemplateTable = new TemplateTable();
  /** Counts of wrong tries by key. */
  readonly lockouts: Map<string, LockoutRecord> = new Map();
  readonly clock: StoreClock;
  /** Latest moment any record names, milliseconds since 1970: the clock cannot truly be earlier. */
  latestMs = 0;
  readonly run: <T>(work: () => Promise<T>) => Promise<T> = serially();
  readonly #fs: StoreFs;
  readonly #dir: string;
  readonly #journal: Journal;
  #keyring: Keyring;
  #protection: ProtectionKeys;
  #compactedBytes = 0;
  /** Whether the file holds vectors of templates that are gone. */
  #remains = false;

  constructor(parts: VaultParts, records: readonly StoredRecord[]) {
    this.clock = parts.clock;
    this.#fs = parts.fs;
    this.#dir = parts.dir;
    this.#journal = parts.journal;
    this.#keyring = parts.keyring;
    const data = parts.keyring.dataKeys.find((key) => key.epoch === parts.journal.head.epoch);
    if (data === undefined) throw fail("STORE_DAMAGED", "Cannot open the store: its data key is missing");
    this.#protection = protectionKeys(data, parts.keyring.identity);
    this.#load(records);
  }

  /** How many commits there were: for the sister journal. */
  get sequence(): number {
    return this.#journal.head.sequence;
  }

  /** @throws STORE_FAILED */
  assertUsable(): void {
    this.#journal.assertUsable();
  }

  /** Seals a vector for a template. */
  protect(info: { id: string; subject: string; modality: string; space: string }, vector: Float32Array): Uint8Array {
    return protect(this.#protection, { ...info, dimension: vector.length }, vector);
  }

  /** Acknowledges records as one group; where the secrets lie. Only inside {@link run}. */
  commit(records: readonly { readonly record: StoreRecord; readonly secret?: Uint8Array }[]): Promise<readonly number[]> {
    return this.#journal.append(records.map(({ record, secret }) => encodeRecord(record, secret)));
  }

  /** Says that vectors of templates that are gone lie in the file. */
  leaveRemains(): void {
    this.#remains = true;
  }

  /** Compacts where it is due. What was committed stays so whatever happens here: a full disk only leaves the file long. Only inside {@link run}. */
  async tidy(): Promise<void> {
    const { length } = this.#journal.head;
    const erase = this.#remains && length < ERASE_AT_ONCE_BYTES;
    if (!erase && !this.#journal.keyIsWorn && length < 2 * this.#compactedBytes + SLACK_BYTES) return;
    await this.#rewrite(this.#journal.keyIsWorn).catch(() => undefined);
  }

  /** Writes the journal anew without what is gone; with `rotate` under a new data key, after which the old key opens nothing of it. */
  compact(options: { readonly rotate: boolean }): Promise<void> {
    return this.run(() => this.#rewrite(options.rotate));
  }

  async close(): Promise<void> {
    await this.run(async () => undefined);
    await this.#journal.close();
    this.table.wipe();
    this.#protection.seal.fill(0);
    this.#protection.transform.fill(0);
    wipeKeyring(this.#keyring);
  }

  #load(records: readonly StoredRecord[]): void {
    for (const stored of records) {
      const record = decodeRecord(stored);
      if (record === undefined) continue;
      switch (record.kind) {
        case "template": {
          const { replaces, dimension, ...info } = record.value;
          for (const id of replaces) this.#drop(id);
          const vector = unprotect(this.#protection, record.value, stored.secret);
          this.table.add({ info, dimension, secretAt: stored.secretAt, secretLength: stored.secret.length }, vector);
          vector.fill(0);
          this.latestMs = Math.max(this.latestMs, info.enrolledAt);
          break;
        }
        case "removal":
          for (const id of record.value.ids) this.#drop(id);
          break;
        case "lockout":
          if (record.value.failures === 0) this.lockouts.delete(record.value.key);
          else this.lockouts.set(record.value.key, record.value);
          this.latestMs = Math.max(this.latestMs, record.value.at);
      }
    }
  }

  #drop(id: string): void {
    if (!this.table.remove(id)) throw fail("STORE_DAMAGED", "Cannot read the store: it deletes a template that it does not hold");
    this.#remains = true;
  }

  async #rewrite(rotate: boolean): Promise<void> {
    const { identity, provider, auditKey } = this.#keyring;
    const old = this.#keyring.dataKeys.find((key) => key.epoch === this.#journal.head.epoch);
    if (old === undefined) throw fail("STORE_FAILED", "Cannot compact the store: it was closed");
    const data = rotate ? await newDataKey(provider, identity, old.epoch + 1) : old;
    const protection = rotate ? protectionKeys(data, identity) : this.#protection;
    // Both keys are on disk until no head speaks of the old one any more.
    if (rotate) await this.#writeKeyring({ identity, provider, auditKey, dataKeys: [old, data] });
    const entries = [...this.table.entries()];
    const written = await this.#journal.rewrite(
      (file) => this.#snapshot(file, entries, rotate ? protection : undefined),
      rotate ? journalKeys(data, identity, "templates") : undefined,
    );
    const first = this.lockouts.size;
    for (const [i, entry] of entries.entries()) entry.secretAt = written[first + i] ?? 0;
    this.#remains = false;
    this.#compactedBytes = this.#journal.head.length;
    if (!rotate) return;
    // The journal has the new key from here on, whether or not the old one can be taken off the disk.
    for (const key of [old.key, this.#protection.seal, this.#protection.transform]) key.fill(0);
    this.#protection = protection;
    this.#keyring = { identity, provider, auditKey, dataKeys: [data] };
    await this.#writeKeyring(this.#keyring);
  }

  async #writeKeyring(keyring: Keyring): Promise<void> {
    try {
      await writeKeyring(this.#fs, this.#dir, keyring);
    } catch (error) {
      throw diskError("write the store's keys", error);
    }
  }

  *#snapshot(file: Uint8Array, entries: Iterable<TableEntry>, renewed: ProtectionKeys | undefined): Generator<JournalRecord> {
    for (const value of this.lockouts.values()) yield encodeRecord({ kind: "lockout", value });
    for (const { info, dimension, secretAt, secretLength } of entries) {
      const binding = { ...info, dimension };
      let secret = file.subarray(secretAt, secretAt + secretLength);
      if (renewed !== undefined) {
        const vector = unprotect(this.#protection, binding, secret);
        secret = protect(renewed, binding, vector);
        vector.fill(0);
      } else if (!isSealedFor(this.#protection, binding, secret)) {
        // The medium may have failed since it was read; better the long file than a short one without somebody.
        throw fail("STORE_DAMAGED", "Cannot compact the store: a template does not open any more");
      }
      yield encodeRecord({ kind: "template", value: { ...info, dimension, replaces: [] } }, secret);
    }
  }
}

/** Keeps only the data key the journal uses: what a rotation that died half-way left. */
export async function settleKeyring(fs: StoreFs, dir: string, keyring: Keyring, epoch: number): Promise<Keyring> {
  const dataKeys = keyring.dataKeys.filter((data) => data.epoch === epoch);
  if (dataKeys.length === keyring.dataKeys.length) return keyring;
  const settled = { ...keyring, dataKeys };
  await writeKeyring(fs, dir, settled);
  return settled;
}
