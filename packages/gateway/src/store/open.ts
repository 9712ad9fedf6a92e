import { randomUUID } from "node:crypto";
import { join, resolve } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { KeyProvider } from "../keys/key-provider.ts";
import type { RollbackAnchor } from "./anchor.ts";
import { type AuditLog, auditLog } from "./audit.ts";
import { type StoreClock, SYSTEM_CLOCK } from "./clock.ts";
import { createJournal, type Journal, type JournalSetting } from "./journal.ts";
import { journalKeys, wipeKeys } from "./journal-keys.ts";
import { openJournal } from "./journal-open.ts";
import { createKeyring, type Keyring, readKeyring, writeKeyring } from "./keyring.ts";
import { lockout } from "./lockout.ts";
import { LOCKOUT_POLICY, type LockoutPolicy } from "./lockout-policy.ts";
import { diskError, NODE_FS, type StoreFs } from "./store-fs.ts";
import type { Lockout, TemplateStore } from "./template-store.ts";
import { STORE_LIMITS, type StoreLimits, templateStore } from "./templates.ts";
import { settleKeyring, Vault } from "./vault.ts";

/** Options of {@link openStore}. */
export interface OpenStoreOptions {
  /** Folder of the store; made when missing. */
  readonly dir: string;
  /** Everything is bound to it: with another one nothing opens. */
  readonly deviceId: string;
  readonly keys: KeyProvider;
  readonly limits?: Partial<StoreLimits>;
  readonly policy?: LockoutPolicy;
  /** Detects that the whole folder was put back to an earlier state. A store that was made with one opens only with it. */
  readonly anchor?: RollbackAnchor;
  readonly fs?: StoreFs;
  readonly clock?: StoreClock;
}

/** A store that is open. Close it once. */
export interface OpenStore {
  readonly templates: TemplateStore;
  readonly lockout: Lockout;
  readonly audit: AuditLog;
  /** Writes the templates anew without what is gone; with `rotate` under a new data key. */
  compact(options: { readonly rotate: boolean }): Promise<void>;
  /** Waits for what is under way, gives the folder back, overwrites keys and vectors in memory. */
  close(): Promise<void>;
}

/**
 * Opens the store in a folder, or makes it where there is none. One process at a time.
 * @throws STORE_BUSY, STORE_DAMAGED, STORE_ROLLED_BACK, KEY_REJECTED, KEY_UNAVAILABLE, IO
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenStore> {
  const { fs = NODE_FS, clock = SYSTEM_CLOCK } = options;
  const limits = { ...STORE_LIMITS, ...options.limits };
  const root = resolve(options.dir);
  await fs.makeFolder(root).catch((error: unknown) => Promise.reject(diskError("make the store's folder", error)));
  const release = await fs.claim(root);
  try {
    const dir = join(root, "store");
    if ((await fs.list(dir)) === undefined) await makeStore({ ...options, fs }, { root, dir });
    const parts = await openParts({ ...options, fs }, { dir, limits });
    const { vault, audit } = await take(parts, { fs, dir, clock, limits });
    return {
      templates: templateStore(vault, limits),
      lockout: lockout(vault, options.policy ?? LOCKOUT_POLICY, limits),
      audit,
      compact: (how) => vault.compact(how),
      async close() {
        await vault.close();
        await parts.audit.journal.close();
        wipeKeys(parts.auditKeys);
        await release();
      },
    };
  } catch (error) {
    await release();
    throw diskError("open the store", error);
  }
}

type Options = OpenStoreOptions & { readonly fs: StoreFs };

/** Takes what the journals say into memory. */
async function take(
  parts: Awaited<ReturnType<typeof openParts>>,
  how: { readonly fs: StoreFs; readonly dir: string; readonly clock: StoreClock; readonly limits: StoreLimits },
): Promise<{ readonly vault: Vault; readonly audit: AuditLog }> {
  try {
    const vault = new Vault({ ...how, journal: parts.templates.journal, keyring: parts.keyring }, parts.templates.records);
    return { vault, audit: auditLog({ ...parts.audit, ...how, keys: parts.auditKeys }, parts.audit.records) };
  } catch (error) {
    await Promise.all([parts.templates.journal.close(), parts.audit.journal.close()]);
    throw error;
  }
}

/** Makes a store in a folder of another name first: there is either no store or a whole one. */
async function makeStore(options: Options, where: { readonly root: string; readonly dir: string }): Promise<void> {
  const { fs, anchor } = options;
  for (const left of (await fs.list(where.root)) ?? []) {
    if (left.startsWith("new-")) await fs.remove(join(where.root, left));
  }
  if ((await anchor?.read()) !== undefined) {
    throw fail("STORE_ROLLED_BACK", "Cannot open the store: its anchor knows one, but the folder is empty");
  }
  const dir = join(where.root, `new-${randomUUID()}`);
  await fs.makeFolder(dir);
  const keyring = await createKeyring(options.keys, options.deviceId);
  await writeKeyring(fs, dir, keyring);
  const { templates, audit } = settings(options, { dir, keyring, limits: STORE_LIMITS, peers: {} });
  const [dataKey] = keyring.dataKeys;
  if (dataKey === undefined) throw fail("STORE_DAMAGED", "Cannot make the store: it has no key");
  await createJournal(templates, journalKeys(dataKey, keyring.identity, templates.name), (await anchor?.increment()) ?? 0);
  await createJournal(audit, journalKeys(keyring.auditKey, keyring.identity, audit.name), 0);
  await fs.syncFolder(dir);
  await fs.rename(dir, where.dir);
  await fs.syncFolder(where.root);
  for (const { key } of [...keyring.dataKeys, keyring.auditKey]) key.fill(0);
}

/** Opens both journals and holds them against each other: neither may be older than the other has seen it. */
async function openParts(options: Options, where: { readonly dir: string; readonly limits: StoreLimits }) {
  const { fs } = options;
  const keyring = await readKeyring(fs, where.dir, options);
  const peers: Peers = {};
  const setting = settings(options, { ...where, keyring, peers });
  const templates = await openJournal(setting.templates, (epoch) => {
    const data = keyring.dataKeys.find((key) => key.epoch === epoch);
    return data === undefined ? undefined : journalKeys(data, keyring.identity, setting.templates.name);
  });
  const auditKeys = journalKeys(keyring.auditKey, keyring.identity, setting.audit.name);
  const audit = await openJournal(setting.audit, (epoch) => (epoch === auditKeys.epoch ? auditKeys : undefined));
  for (const [one, other] of [
    [templates.journal, audit.journal],
    [audit.journal, templates.journal],
  ] as const) {
    if (one.head.peer > other.head.sequence) {
      await Promise.all([one.close(), other.close()]);
      throw fail("STORE_DAMAGED", "Cannot open the store: one of its journals is older than the other has seen it");
    }
  }
  peers.templates = templates.journal;
  peers.audit = audit.journal;
  const settled = await settleKeyring(fs, where.dir, keyring, templates.journal.head.epoch);
  return { keyring: settled, templates, audit: { ...audit, setting: setting.audit }, auditKeys };
}

interface Peers {
  templates?: Journal;
  audit?: Journal;
}

function settings(
  options: Options,
  where: { readonly dir: string; readonly keyring: Keyring; readonly limits: StoreLimits; readonly peers: Peers },
): { readonly templates: JournalSetting; readonly audit: JournalSetting } {
  const common = { fs: options.fs, dir: where.dir, identity: where.keyring.identity };
  const { anchor } = options;
  return {
    templates: {
      ...common,
      name: "templates",
      keep: 0,
      peer: () => where.peers.audit?.head.sequence,
      ...(anchor === undefined ? {} : { anchor }),
    },
    audit: { ...common, name: "audit", keep: where.limits.auditGenerations, peer: () => where.peers.templates?.head.sequence },
  };
}
