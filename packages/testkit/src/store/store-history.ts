import { isTesseraError } from "@tessera/core/base/error";
import { type Random, seededRandom } from "@tessera/core/base/random";
import type { RollbackAnchor } from "@tessera/gateway/store/anchor";
import { type OpenStore, openStore } from "@tessera/gateway/store/open";
import { FakeDisk } from "./fake-disk.ts";
import { quickKeys } from "./quick-keys.ts";
import { TELLING_POLICY } from "./store-model.ts";
import { seededTemplate, storeState } from "./store-state.ts";

/** Files by path. */
export type StoreFiles = ReadonlyMap<string, Uint8Array>;

/** A small store with a history: templates, deletions, wrong tries, an audit log of several files. */
export interface StoreHistory {
  /** Files of the store once it was closed. */
  readonly files: StoreFiles;
  readonly state: string;
  /** Files and state after each acknowledgement, oldest first. */
  readonly dumps: readonly StoreFiles[];
  readonly states: readonly string[];
}

/** What altered files may be answered with. */
export const REFUSALS: readonly string[] = ["STORE_DAMAGED", "KEY_REJECTED", "STORE_ROLLED_BACK"];

interface Binding {
  readonly deviceId?: string;
  readonly anchor?: RollbackAnchor;
}

/** Opens a store on a disk in memory, under a clock that stands still. */
export function openOn(fs: FakeDisk, binding: Binding = {}): Promise<OpenStore> {
  const clock = { wallMs: () => 1_000_000, monotonicMs: () => 0 };
  const limits = { auditBytes: 600 };
  const common = { dir: "/gateway", keys: quickKeys(), fs, clock, policy: TELLING_POLICY, limits };
  return openStore({ ...common, deviceId: "device", ...binding });
}

/** Makes the store. */
export async function storeHistory(): Promise<StoreHistory> {
  const dumps: StoreFiles[] = [];
  const states: string[] = [];
  const disk = new FakeDisk(seededRandom(5));
  const store = await openOn(disk);
  const keep = async () => {
    dumps.push(disk.dump());
    states.push(await storeState(store, ["a", "b"]));
  };
  await store.audit.append("first", { subject: "anna" });
  await store.templates.enrol([seededTemplate("anna", 1), seededTemplate("anna", 2, "voice")]);
  await keep();
  for (let i = 0; i < 3; i++) await store.lockout.failed("a");
  await keep();
  await store.templates.enrol([seededTemplate("ben", 3)]);
  await keep();
  for (let i = 0; i < 6; i++) await store.audit.append("more", { detail: { i } });
  await keep();
  await store.templates.remove("anna", "voice");
  await keep();
  await store.lockout.failed("b");
  await keep();
  await store.close();
  return { files: disk.dump(), state: states.at(-1) ?? "", dumps, states };
}

/** The state a store opens to with these files, or the code it refuses with. */
export async function outcomeOf(files: StoreFiles, binding: Binding = {}): Promise<string> {
  const disk = new FakeDisk(seededRandom(1));
  disk.load(files);
  try {
    const store = await openOn(disk, binding);
    const found = await storeState(store, ["a", "b"]);
    await store.close();
    return found;
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    return error.code;
  }
}

/** The files with one of them changed, or gone. */
export function alteredFiles(files: StoreFiles, path: string, change: (bytes: Uint8Array) => Uint8Array | undefined): StoreFiles {
  const copy = new Map(files);
  const bytes = change((files.get(path) ?? new Uint8Array(0)).slice());
  if (bytes === undefined) copy.delete(path);
  else copy.set(path, bytes);
  return copy;
}

/** Every place of every file, or a random one out of `oneOf`; of the void between the slots of a head file only some. */
export function* placesOf(
  files: StoreFiles,
  options: { readonly oneOf: number; readonly random: Random },
): Generator<[string, number]> {
  for (const [path, bytes] of files) {
    for (let at = 0; at < bytes.length; at++) {
      if (path.endsWith(".head") && at % 4096 > 130 && at % 97 !== 0) continue;
      if (options.random.int(options.oneOf) === 0) yield [path, at];
    }
  }
}
