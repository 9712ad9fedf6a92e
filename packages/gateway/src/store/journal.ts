import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { RollbackAnchor } from "./anchor.ts";
import { encodeFrame } from "./frame.ts";
import { encodeHead, HEAD_SLOT_OFFSETS, type Head } from "./head.ts";
import { encodeHeader, firstChain, HEADER_BYTES } from "./journal-header.ts";
import type { JournalKeys, StoreIdentity } from "./journal-keys.ts";
import { type JournalPlace, metaAad } from "./journal-read.ts";
import { SEALS_PER_KEY, seal } from "./seal.ts";
import { diskError, type StoreFile, type StoreFs } from "./store-fs.ts";

/** A record to write. */
export interface JournalRecord {
  /** 1..255; 0 is the journal's own. */
  readonly kind: number;
  /** Description, sealed by the journal under its place. */
  readonly meta: Uint8Array;
  /** Sealed by its owner; carried as it is. */
  readonly secret?: Uint8Array;
}

/** Where a journal lives and what it is bound to. */
export interface JournalSetting {
  readonly fs: StoreFs;
  readonly dir: string;
  /** "templates" or "audit": part of file names and of every key. */
  readonly name: string;
  readonly identity: StoreIdentity;
  readonly anchor?: RollbackAnchor;
  /** How far the sister journal is; `undefined` while it is not open. */
  readonly peer: () => number | undefined;
  /** Generations kept besides the newest. */
  readonly keep: number;
}

const CHECKPOINT = { kind: 0, meta: new Uint8Array(0) } as const satisfies JournalRecord;
const CHUNK_BYTES = 1 << 20;

/** Path of a generation. */
export function generationPath(setting: JournalSetting, generation: number): string {
  return join(setting.dir, `${setting.name}-${generation}.journal`);
}

/** Path of the head file. */
export function headPath(setting: JournalSetting): string {
  return join(setting.dir, `${setting.name}.head`);
}

/** Makes the files of a new, empty journal: one acknowledged checkpoint, both slots of the head written. */
export async function createJournal(setting: JournalSetting, keys: JournalKeys, anchor: number): Promise<void> {
  const nothing = { sequence: 0, chain: new Uint8Array(32) };
  const { place } = await writeGeneration(setting, keys, { generation: 1, from: nothing, records: [CHECKPOINT] });
  const file = await setting.fs.open(headPath(setting), "create");
  try {
    for (const counter of [0, 1]) {
      const head = { ...place, counter, generation: 1, epoch: keys.epoch, anchor, peer: 0 };
      await file.write(encodeHead(head, keys.head, setting.name), HEAD_SLOT_OFFSETS[counter] ?? 0);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * An append-only journal that somebody has opened. One commit is: the group of records written behind the acknowledged end, flushed; the head
 * written over its older slot, flushed; the anchor, where there is one, moved. Only then is the group acknowledged. A death before the head leaves a
 * group nobody was told about, which the next opening takes if it is whole; a death in the head leaves a torn slot, and the whole group proves that
 * it was torn, not cut.
 */
export class Journal {
  readonly #setting: JournalSetting;
  #keys: JournalKeys;
  #head: Head;
  #file: StoreFile;
  #headFile: StoreFile;
  #failure: unknown;
  #queue: Promise<unknown> = Promise.resolve();
  #firstOfKey: number;

  constructor(
    setting: JournalSetting,
    open: { keys: JournalKeys; head: Head; file: StoreFile; headFile: StoreFile; firstOfKey: number },
  ) {
    this.#setting = setting;
    this.#keys = open.keys;
    this.#head = open.head;
    this.#file = open.file;
    this.#headFile = open.headFile;
    this.#firstOfKey = open.firstOfKey;
  }

  /** The last commit. */
  get head(): Head {
    return this.#head;
  }

  /** Path of the file that is written now. */
  get path(): string {
    return generationPath(this.#setting, this.#head.generation);
  }

  /** Whether the key has sealed so much that the next rewrite must bring another. */
  get keyIsWorn(): boolean {
    return this.#head.sequence - this.#firstOfKey > SEALS_PER_KEY;
  }

  /** @throws STORE_FAILED once a write went wrong in a way that leaves the state on disk unknown */
  assertUsable(): void {
    if (this.#failure !== undefined) {
      throw fail("STORE_FAILED", `Cannot use the ${this.#setting.name}: a write failed before`, { cause: this.#failure });
    }
  }

  /**
   * Appends records as one group: all or none. Resolves when they are acknowledged, with the place of each secret in the file.
   * @throws STORE_FULL and IO when nothing was written, STORE_FAILED when nobody knows
   */
  append(records: readonly JournalRecord[]): Promise<readonly number[]> {
    return this.#serially(async () => {
      const { bytes, place, secretsAt } = this.#encode(records);
      await this.#write(bytes);
      await this.#orFail(() => this.#commit(place));
      return secretsAt;
    });
  }

  /**
   * Begins a new generation that holds `records` alone, under `keys` where they changed, and drops the old one. `records` is called when the
   * journal stands still, with the bytes of the old file.
   */
  rewrite(records: (file: Uint8Array) => Iterable<JournalRecord>, keys: JournalKeys = this.#keys): Promise<readonly number[]> {
    return this.#serially(async () => {
      const { fs } = this.#setting;
      const old = await fs.read(this.path);
      if (old === undefined) throw fail("STORE_FAILED", `Cannot rewrite the ${this.#setting.name}: its file is gone`);
      const generation = this.#head.generation + 1;
      const written = await writeGeneration(this.#setting, keys, { generation, from: this.#head, records: records(old) }).catch(
        async (error: unknown) => {
          await fs.remove(`${generationPath(this.#setting, generation)}.tmp`).catch(() => undefined);
          throw diskError(`rewrite the ${this.#setting.name}`, error);
        },
      );
      await this.#orFail(async () => {
        const file = await fs.open(generationPath(this.#setting, generation), "update");
        await this.#file.close();
        this.#file = file;
        if (keys.epoch !== this.#keys.epoch) this.#firstOfKey = this.#head.sequence;
        this.#keys = keys;
        await this.#commit(written.place, generation);
        await this.checkpoint();
        await dropGenerations(this.#setting, generation);
      });
      return written.secretsAt;
    });
  }

  /** Commits an empty group, so that both slots of the head speak of this generation. Only for who holds the journal alone. */
  async checkpoint(): Promise<void> {
    const { bytes, place } = this.#encode([CHECKPOINT]);
    await this.#write(bytes);
    await this.#orFail(() => this.#commit(place));
  }

  /** Acknowledges what a process that died had written but not acknowledged. Only while opening. */
  async adopt(place: JournalPlace, generation: number): Promise<void> {
    await this.#orFail(() => this.#commit(place, generation));
  }

  async close(): Promise<void> {
    await this.#queue.catch(() => undefined);
    this.#failure ??= fail("STORE_FAILED", `Cannot use the ${this.#setting.name}: it was closed`);
    await this.#file.close();
    await this.#headFile.close();
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(() => {
      this.assertUsable();
      return work();
    });
    this.#queue = run.catch(() => undefined);
    return run;
  }

  #encode(records: readonly JournalRecord[]): { bytes: Uint8Array; place: JournalPlace; secretsAt: readonly number[] } {
    let place: JournalPlace = this.#head;
    const secretsAt: number[] = [];
    const chunks: Uint8Array[] = [];
    for (const [i, record] of records.entries()) {
      const frame = frameOf(this.#setting, this.#keys, place, { record, last: i === records.length - 1 });
      secretsAt.push(place.length + frame.secretOffset);
      chunks.push(frame.bytes);
      place = frame.place;
    }
    return { bytes: Buffer.concat(chunks), place, secretsAt };
  }

  /** Writes behind the acknowledged end and flushes. A write that failed is taken back; where even that fails, the journal stops. */
  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#file.write(bytes, this.#head.length);
    } catch (error) {
      await this.#orFail(() => this.#file.truncate(this.#head.length));
      throw diskError(`write the ${this.#setting.name}`, error);
    }
    // After a failed flush nobody knows which pages are on the medium; trying again would only hide it.
    await this.#orFail(() => this.#file.sync());
  }

  async #commit(place: JournalPlace, generation: number = this.#head.generation): Promise<void> {
    const { anchor, name, peer } = this.#setting;
    const head: Head = {
      counter: this.#head.counter + 1,
      generation,
      epoch: this.#keys.epoch,
      sequence: place.sequence,
      length: place.length,
      chain: place.chain,
      anchor: anchor === undefined ? this.#head.anchor : this.#head.anchor + 1,
      peer: peer() ?? this.#head.peer,
    };
    await this.#headFile.write(encodeHead(head, this.#keys.head, name), HEAD_SLOT_OFFSETS[head.counter % 2 === 0 ? 0 : 1]);
    await this.#headFile.sync();
    if (anchor !== undefined && (await anchor.increment()) !== head.anchor) {
      throw fail("STORE_ROLLED_BACK", `Cannot write the ${name}: somebody else moved its anchor`);
    }
    this.#head = head;
  }

  async #orFail<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#failure ??= error;
      throw fail("STORE_FAILED", `Cannot write the ${this.#setting.name}: the disk failed half-way`, { cause: error });
    }
  }
}

/** Removes generations that nobody needs any more, and what a crash left of newer ones. */
export async function dropGenerations(setting: JournalSetting, newest: number): Promise<void> {
  const pattern = new RegExp(`^${setting.name}-(\\d+)\\.journal(\\.tmp)?$`);
  let dropped = false;
  for (const file of (await setting.fs.list(setting.dir)) ?? []) {
    const match = pattern.exec(file);
    if (match === null) continue;
    const generation = Number(match[1]);
    if (match[2] === undefined && generation <= newest && generation >= newest - setting.keep) continue;
    await setting.fs.remove(join(setting.dir, file));
    dropped = true;
  }
  if (dropped) await setting.fs.syncFolder(setting.dir);
}

/** Writes a whole generation under a temporary name, flushes it, gives it its name, flushes the folder. */
async function writeGeneration(
  setting: JournalSetting,
  keys: JournalKeys,
  content: {
    readonly generation: number;
    readonly from: { readonly sequence: number; readonly chain: Uint8Array };
    readonly records: Iterable<JournalRecord>;
  },
): Promise<{ place: JournalPlace; secretsAt: readonly number[] }> {
  const path = generationPath(setting, content.generation);
  const header = encodeHeader({ ...content.from, generation: content.generation, epoch: keys.epoch }, setting.identity.storeId);
  const secretsAt: number[] = [];
  let place: JournalPlace = {
    sequence: content.from.sequence,
    chain: firstChain(header, keys, setting.name),
    length: HEADER_BYTES,
  };
  const file = await setting.fs.open(`${path}.tmp`, "create");
  try {
    let chunks: Uint8Array[] = [header];
    let start = 0;
    let size = HEADER_BYTES;
    const flush = async () => {
      await file.write(Buffer.concat(chunks), start);
      start += size;
      size = 0;
      chunks = [];
    };
    let waiting: JournalRecord | undefined;
    const put = (record: JournalRecord, last: boolean) => {
      const frame = frameOf(setting, keys, place, { record, last });
      secretsAt.push(place.length + frame.secretOffset);
      chunks.push(frame.bytes);
      size += frame.bytes.length;
      place = frame.place;
    };
    for (const record of content.records) {
      if (waiting !== undefined) put(waiting, false);
      waiting = record;
      if (size > CHUNK_BYTES) await flush();
    }
    put(waiting ?? CHECKPOINT, true);
    await flush();
    await file.sync();
  } finally {
    await file.close();
  }
  await setting.fs.rename(`${path}.tmp`, path);
  await setting.fs.syncFolder(setting.dir);
  return { place, secretsAt };
}

function frameOf(
  setting: JournalSetting,
  keys: JournalKeys,
  before: JournalPlace,
  what: { readonly record: JournalRecord; readonly last: boolean },
): { bytes: Uint8Array; place: JournalPlace; secretOffset: number } {
  const sequence = before.sequence + 1;
  const { kind, meta, secret = new Uint8Array(0) } = what.record;
  const sealed = seal(keys.meta, meta, metaAad(setting.identity, setting.name, { epoch: keys.epoch, sequence, kind }));
  const frame = encodeFrame({ sequence, kind, last: what.last, meta: sealed, secret }, before.chain, keys.chain);
  return {
    bytes: frame.bytes,
    place: { sequence, chain: frame.chain, length: before.length + frame.bytes.length },
    secretOffset: frame.secretOffset,
  };
}
