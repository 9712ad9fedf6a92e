import { createHash } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { AuditEntry } from "@tessera/core/protocol/gateway-api";
import type { StoreClock } from "./clock.ts";
import type { Journal, JournalRecord, JournalSetting } from "./journal.ts";
import type { JournalKeys } from "./journal-keys.ts";
import { readAcknowledgedFile } from "./journal-open.ts";
import type { StoredRecord } from "./journal-read.ts";
import { serially } from "./serially.ts";
import type { Audit } from "./template-store.ts";
import type { StoreLimits } from "./templates.ts";

/** The hash-chained log, as it is read back. */
export interface AuditLog extends Audit {
  /** At most `limit` entries from a sequence number on, oldest first; older ones than are kept are not there. @throws STORE_DAMAGED */
  read(from: number, limit: number): Promise<readonly AuditEntry[]>;
  /** Goes over everything that is kept: seals, chain of files, chain of hashes. @throws STORE_DAMAGED at the first thing that is not as it was */
  verify(): Promise<{ readonly entries: number; readonly first: number; readonly last: number; readonly hash: string }>;
}

const ENTRY = 1;
/** First record of every generation but the first: the last entry of the one before. */
const CONTINUES = 2;
/** What the first entry's hash is chained to. */
const ORIGIN = "0".repeat(64);

/** What an audit log is made of. */
export interface AuditParts {
  readonly journal: Journal;
  readonly setting: JournalSetting;
  readonly keys: JournalKeys;
  readonly clock: StoreClock;
  readonly limits: StoreLimits;
}

interface Tip {
  readonly sequence: number;
  readonly hash: string;
}

/**
 * An audit log over a journal. Each entry carries SHA-256 over the hash before it and its own canonical text, so that whoever was shown some
 * entries can tell later whether they still stand; the journal's keyed chain and head keep others from writing a whole new chain or cutting it.
 */
export function auditLog(parts: AuditParts, records: readonly StoredRecord[]): AuditLog {
  const { journal, setting, keys, clock, limits } = parts;
  const run = serially();
  let tip = follow(records, { sequence: 0, hash: ORIGIN }).tip;
  let pending: { entry: Omit<AuditEntry, "sequence" | "hash">; resolve: () => void; reject: (error: unknown) => void }[] = [];

  /** All entries that came while the disk was busy go into one group. */
  async function flush(): Promise<void> {
    const batch = pending;
    pending = [];
    try {
      if (journal.head.length > limits.auditBytes) await journal.rewrite(() => [record(CONTINUES, tip)]);
      let last = tip;
      const group = batch.map(({ entry }) => {
        const sequence = last.sequence + 1;
        const full = { ...entry, sequence, hash: hashOf(last.hash, { ...entry, sequence }) };
        last = full;
        return record(ENTRY, full);
      });
      await journal.append(group);
      tip = { sequence: last.sequence, hash: last.hash };
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  /** Entries of the generations that are kept, oldest first, checked against each other. */
  async function entries(): Promise<readonly AuditEntry[]> {
    const files: Awaited<ReturnType<typeof readAcknowledgedFile>>[] = [];
    for (let g = journal.head.generation; g >= Math.max(1, journal.head.generation - setting.keep); g--) {
      const to = g === journal.head.generation ? journal.head : files[0]?.from;
      if (to === undefined) break;
      files.unshift(await readAcknowledgedFile(setting, g, { keys, to }));
    }
    const all: AuditEntry[] = [];
    let at: Tip | undefined = journal.head.generation - setting.keep <= 1 ? { sequence: 0, hash: ORIGIN } : undefined;
    for (const file of files) {
      const read = follow(file.records, at);
      all.push(...read.entries);
      at = read.tip;
    }
    if (at?.hash !== tip.hash) throw fail("STORE_DAMAGED", "Cannot read the audit log: it does not end where it ended");
    return all;
  }

  return {
    append: (event, about = {}) =>
      new Promise((resolve, reject) => {
        const at = new Date(clock.wallMs()).toISOString();
        pending.push({ entry: { at, event, ...about }, resolve, reject });
        if (pending.length === 1) run(flush).catch(reject);
      }),
    read: (from, limit) =>
      run(async () => {
        const all = await entries();
        const first = all[0]?.sequence ?? 0;
        return all.slice(Math.max(from - first, 0), Math.max(from - first, 0) + limit);
      }),
    verify: () =>
      run(async () => {
        const all = await entries();
        return { entries: all.length, first: all[0]?.sequence ?? 0, last: tip.sequence, hash: tip.hash };
      }),
  };
}

function record(kind: number, value: object): JournalRecord {
  return { kind, meta: Buffer.from(JSON.stringify(value), "utf8") };
}

/** Entries of a generation, each checked against the one before; `from` is unknown when what came before is no longer kept. */
function follow(
  records: readonly StoredRecord[],
  from: Tip | undefined,
): { readonly entries: readonly AuditEntry[]; readonly tip: Tip } {
  const entries: AuditEntry[] = [];
  let tip = from;
  for (const { kind, meta } of records) {
    if (kind === 0) continue;
    const value: AuditEntry = JSON.parse(Buffer.from(meta).toString("utf8"));
    if (kind === CONTINUES && (tip === undefined || entries.length === 0)) {
      if (tip !== undefined && tip.sequence > 0 && tip.hash !== value.hash) throw broken(value.sequence);
      tip = value;
      continue;
    }
    const { hash, ...entry } = value;
    if (kind !== ENTRY || tip === undefined || value.sequence !== tip.sequence + 1 || hashOf(tip.hash, entry) !== hash) {
      throw broken(value.sequence);
    }
    entries.push(value);
    tip = value;
  }
  return { entries, tip: tip ?? { sequence: 0, hash: ORIGIN } };
}

function broken(sequence: number): Error {
  return fail("STORE_DAMAGED", `Cannot read the audit log: entry ${sequence} does not follow the one before it`);
}

/** SHA-256, hexadecimal, over the hash before, a line end and the entry with its keys in alphabetical order. */
function hashOf(before: string, entry: Omit<AuditEntry, "hash">): string {
  return createHash("sha256")
    .update(`${before}\n${canonical(entry)}`)
    .digest("hex");
}

function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`);
  return `{${fields.join(",")}}`;
}
