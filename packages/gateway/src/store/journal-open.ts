import { fail } from "@tessera/core/base/error";
import { HEAD_SLOT_BYTES, HEAD_SLOT_OFFSETS, type Head, readHeads } from "./head.ts";
import { dropGenerations, generationPath, headPath, Journal, type JournalSetting } from "./journal.ts";
import { decodeHeader, firstChain, HEADER_BYTES } from "./journal-header.ts";
import type { JournalKeys } from "./journal-keys.ts";
import { type JournalPlace, readAcknowledged, readGroups, type StoredRecord } from "./journal-read.ts";

/**
 * Opens a journal after whatever happened to it. What was acknowledged must be there to the last bit, or it stays shut; what was not acknowledged
 * is taken when it is whole and cut otherwise.
 * @throws STORE_DAMAGED, STORE_ROLLED_BACK
 */
export async function openJournal(
  setting: JournalSetting,
  keysOf: (epoch: number) => JournalKeys | undefined,
): Promise<{ readonly journal: Journal; readonly records: readonly StoredRecord[] }> {
  const { fs, name } = setting;
  const heads = await fs.read(headPath(setting));
  if (heads === undefined) throw fail("STORE_DAMAGED", `Cannot open the ${name}: its head is missing`);
  const { newest, before } = readHeads(heads, name, (epoch) => keysOf(epoch)?.head);
  await checkAnchor(setting, newest);

  const current = await loadGeneration(setting, newest.generation, keysOf);
  if (current === undefined) throw fail("STORE_DAMAGED", `Cannot open the ${name}: its file is missing`);
  if (current.keys.epoch !== newest.epoch) throw fail("STORE_DAMAGED", `Cannot open the ${name}: its file has another key`);
  const records = [...readAcknowledged(current.file, current.start, newest, { ...setting, keys: current.keys })];
  const tail = readGroups(current.file, newest, { ...setting, keys: current.keys, groups: 1 });
  records.push(...tail.records);

  let opened = current;
  let adopted = tail.end.sequence > newest.sequence ? { place: tail.end, generation: newest.generation } : undefined;
  if (adopted === undefined && before === undefined) {
    // The torn slot may have been about to name the next generation, which holds the same in fewer words.
    const next = await loadSuccessor(setting, newest, keysOf);
    if (next === undefined) {
      throw fail(
        "STORE_DAMAGED",
        `Cannot open the ${name}: a slot of its head is damaged and the commit it belonged to is missing`,
      );
    }
    records.splice(0, records.length, ...next.records);
    opened = next;
    adopted = { place: next.end, generation: newest.generation + 1 };
  }

  const file = await fs.open(generationPath(setting, adopted?.generation ?? newest.generation), "update");
  const headFile = await fs.open(headPath(setting), "update");
  // The newest slot may be in the machine's memory only; were the other one overwritten first, a loss of power could leave slots that do not fit.
  const slot = HEAD_SLOT_OFFSETS[newest.counter % 2 === 0 ? 0 : 1];
  await headFile.write(heads.subarray(slot, slot + HEAD_SLOT_BYTES), slot);
  await headFile.sync();
  const journal = new Journal(setting, { keys: opened.keys, head: newest, file, headFile, firstOfKey: 0 });
  if (adopted !== undefined) {
    // The process may have died, or its flush have failed, before the medium had the group; written again, the flush cannot skip it.
    if (adopted.generation === newest.generation) {
      await file.write(opened.file.subarray(newest.length, adopted.place.length), newest.length);
    }
    await file.sync();
    await journal.adopt(adopted.place, adopted.generation);
  }
  if (opened.file.length > journal.head.length) {
    await file.truncate(journal.head.length);
    await file.sync();
  }
  if ((before?.generation ?? newest.generation) !== journal.head.generation) await journal.checkpoint();
  await dropGenerations(setting, journal.head.generation);
  return { journal, records };
}

interface Generation {
  readonly file: Uint8Array;
  readonly keys: JournalKeys;
  readonly start: JournalPlace;
  /** Where the generation before ended. */
  readonly from: { readonly sequence: number; readonly chain: Uint8Array };
}

/** A generation's file and the keys it asks for; what it says is proven by the chain only. */
async function loadGeneration(
  setting: JournalSetting,
  generation: number,
  keysOf: (epoch: number) => JournalKeys | undefined,
): Promise<Generation | undefined> {
  const file = await setting.fs.read(generationPath(setting, generation));
  if (file === undefined) return undefined;
  const header = decodeHeader(file, setting.name);
  const keys = keysOf(header.epoch);
  if (keys === undefined || header.generation !== generation) {
    throw fail("STORE_DAMAGED", `Cannot open the ${setting.name}: its file belongs elsewhere`);
  }
  const start = { sequence: header.sequence, chain: firstChain(file, keys, setting.name), length: HEADER_BYTES };
  return { file, keys, start, from: header };
}

async function loadSuccessor(
  setting: JournalSetting,
  head: Head,
  keysOf: (epoch: number) => JournalKeys | undefined,
): Promise<(Generation & { records: readonly StoredRecord[]; end: JournalPlace }) | undefined> {
  const next = await loadGeneration(setting, head.generation + 1, keysOf);
  if (next === undefined) return undefined;
  if (next.from.sequence !== head.sequence || !Buffer.from(next.from.chain).equals(head.chain)) return undefined;
  const { records, end, broken } = readGroups(next.file, next.start, { ...setting, keys: next.keys });
  return broken === undefined && records.length > 0 ? { ...next, records, end } : undefined;
}

/** The head must be what the anchor saw last, or the one commit that died before it could tell the anchor. */
async function checkAnchor(setting: JournalSetting, head: Head): Promise<void> {
  const { anchor, name } = setting;
  if (anchor === undefined) {
    if (head.anchor > 0) throw fail("STORE_ROLLED_BACK", `Cannot open the ${name}: it is tied to an anchor, and none was given`);
    return;
  }
  const seen = (await anchor.read()) ?? 0;
  if (head.anchor === seen) return;
  if (seen > 0 && head.anchor === seen + 1) {
    await anchor.increment();
    return;
  }
  const older = head.anchor < seen ? "the store" : "the anchor";
  throw fail("STORE_ROLLED_BACK", `Cannot open the ${name}: ${older} is older (store ${head.anchor}, anchor ${seen})`);
}

/** A whole file of an open journal, up to a place that is proven: the head's, or where the next generation says that this one ended. */
export async function readAcknowledgedFile(
  setting: JournalSetting,
  generation: number,
  options: { readonly keys: JournalKeys; readonly to: { readonly sequence: number; readonly chain: Uint8Array } },
): Promise<{
  readonly records: readonly StoredRecord[];
  readonly from: { readonly sequence: number; readonly chain: Uint8Array };
}> {
  const loaded = await loadGeneration(setting, generation, (epoch) => (epoch === options.keys.epoch ? options.keys : undefined));
  if (loaded === undefined) throw fail("STORE_DAMAGED", `Cannot read the ${setting.name}: a file is missing`);
  const to = { length: loaded.file.length, ...options.to };
  return { records: readAcknowledged(loaded.file, loaded.start, to, { ...setting, keys: loaded.keys }), from: loaded.from };
}
