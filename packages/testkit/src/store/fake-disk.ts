import { dirname } from "node:path";
import type { Random } from "@tessera/core/base/random";
import type { StoreFile, StoreFs } from "@tessera/gateway/store/store-fs";

/** What a fault does to the operation it hits. "dies": the operation is done in part, and nothing works any more until {@link FakeDisk.restart}. */
export type Fault = { readonly kind: "dies" } | { readonly kind: "error"; readonly errno: string; readonly partly: boolean };

interface Inode {
  /** What the running machine sees. */
  bytes: Uint8Array;
  /** What is on the medium for certain. */
  durable: Uint8Array;
  /** Changes since the last flush, in order. */
  pending: Change[];
}

/** Bytes written at a position, or another length. */
interface Change {
  readonly write?: { readonly bytes: Uint8Array; readonly position: number };
  readonly length?: number;
}

interface NameChange {
  readonly folder: string;
  readonly apply: (names: Map<string, Inode | "folder">) => void;
}

/**
 * A disk in memory that can fail at any operation and lose what was not flushed. Death of the process keeps everything written, with the last
 * write cut anywhere; loss of power keeps any subset of the writes since the last flush of each file, each of them possibly torn, and a prefix of the
 * changes of names in each folder.
 */
export class FakeDisk implements StoreFs {
  /** Operations so far that change something. */
  operations = 0;
  #names = new Map<string, Inode | "folder">();
  #durableNames = new Map<string, Inode | "folder">();
  #changes: NameChange[] = [];
  #faultAt = Number.POSITIVE_INFINITY;
  #fault: Fault = { kind: "dies" };
  #dead = false;
  #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Lets operations meet a fault from the one after `after` more ones on, until {@link FakeDisk.heal}. */
  failAfter(after: number, fault: Fault): void {
    this.#faultAt = this.operations + after;
    this.#fault = fault;
  }

  /** No faults from here on. */
  heal(): void {
    this.#faultAt = Number.POSITIVE_INFINITY;
  }

  /** The disk after the process died or the power went, ready to be used again. */
  restart(what: "process" | "power"): void {
    if (what === "power") {
      const stopped = new Set<string>();
      for (const { folder, apply } of this.#changes) {
        if (this.#random.int(2) === 0) stopped.add(folder);
        if (!stopped.has(folder)) apply(this.#durableNames);
      }
      this.#names = new Map(this.#durableNames);
      for (const inode of new Set(this.#names.values())) if (inode !== "folder") this.#losePower(inode);
    } else {
      this.#durableNames = new Map(this.#names);
      for (const inode of this.#names.values()) {
        if (inode === "folder") continue;
        inode.durable = inode.bytes.slice();
        inode.pending = [];
      }
    }
    this.#changes = [];
    this.#dead = false;
    this.heal();
  }

  /** Files and their bytes, to keep, to alter and to put back with {@link load}. */
  dump(): Map<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    for (const [path, inode] of this.#names) if (inode !== "folder") files.set(path, inode.bytes.slice());
    return files;
  }

  /** Makes the disk hold these files and nothing else. */
  load(files: ReadonlyMap<string, Uint8Array>): void {
    this.#names = new Map();
    for (const [path, bytes] of files) {
      for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) this.#names.set(folder, "folder");
      this.#names.set(path, { bytes: bytes.slice(), durable: bytes.slice(), pending: [] });
    }
    this.restart("process");
  }

  async open(path: string, how: "create" | "update"): Promise<StoreFile> {
    let inode = this.#names.get(path);
    if (how === "create") {
      await this.#step();
      if (inode === undefined || inode === "folder") {
        const made: Inode = { bytes: new Uint8Array(0), durable: new Uint8Array(0), pending: [] };
        this.#rename(dirname(path), (names) => names.set(path, made));
        inode = made;
      } else {
        this.#change(inode, { length: 0 });
      }
    }
    if (inode === undefined || inode === "folder") throw systemError("ENOENT");
    const file = inode;
    return {
      write: async (bytes, position) => {
        const cut = await this.#step(bytes.length);
        this.#change(file, { write: { bytes: bytes.slice(0, cut), position } });
        if (cut < bytes.length) this.#throwFault();
      },
      truncate: async (length) => {
        await this.#step();
        this.#change(file, { length });
      },
      sync: async () => {
        await this.#step();
        file.durable = file.bytes.slice();
        file.pending = [];
      },
      close: async () => undefined,
    };
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.#assertAlive();
    const inode = this.#names.get(path);
    return inode === undefined || inode === "folder" ? undefined : inode.bytes.slice();
  }

  async list(path: string): Promise<readonly string[] | undefined> {
    this.#assertAlive();
    if (this.#names.get(path) !== "folder") return undefined;
    return [...this.#names.keys()]
      .filter((name) => dirname(name) === path && name !== path)
      .map((name) => name.slice(path.length + 1));
  }

  async makeFolder(path: string): Promise<void> {
    await this.#step();
    for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
      this.#rename(dirname(folder), (names) => names.set(folder, "folder"));
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step();
    this.#rename(dirname(to), (names) => {
      for (const [name, inode] of [...names]) {
        if (name !== from && !name.startsWith(`${from}/`)) continue;
        names.delete(name);
        names.set(to + name.slice(from.length), inode);
      }
    });
  }

  async remove(path: string): Promise<void> {
    await this.#step();
    this.#rename(dirname(path), (names) => {
      for (const name of [...names.keys()]) if (name === path || name.startsWith(`${path}/`)) names.delete(name);
    });
  }

  async syncFolder(path: string): Promise<void> {
    await this.#step();
    const done = this.#changes.filter((change) => change.folder === path);
    for (const change of done) change.apply(this.#durableNames);
    this.#changes = this.#changes.filter((change) => change.folder !== path);
  }

  async claim(): Promise<() => Promise<void>> {
    this.#assertAlive();
    return async () => undefined;
  }

  #rename(folder: string, apply: NameChange["apply"]): void {
    apply(this.#names);
    this.#changes.push({ folder, apply });
  }

  #change(inode: Inode, change: Change): void {
    inode.bytes = applied(inode.bytes, change);
    inode.pending.push(change);
  }

  /** Counts an operation; how many of `size` bytes it may still do. A fault without bytes to write is thrown here. */
  async #step(size?: number): Promise<number> {
    this.#assertAlive();
    this.operations++;
    if (this.operations <= this.#faultAt) return size ?? 0;
    // A full disk refuses to write; it can still cut, flush and rename.
    if (this.#fault.kind === "error" && this.#fault.errno === "ENOSPC" && size === undefined) return 0;
    if (this.#fault.kind === "dies") this.#dead = true;
    const cut = size === undefined ? 0 : this.#fault.kind === "dies" || this.#fault.partly ? this.#random.int(size) : 0;
    if (size === undefined) this.#throwFault();
    return cut;
  }

  #throwFault(): never {
    if (this.#fault.kind === "dies") throw systemError("DEAD");
    throw systemError(this.#fault.errno);
  }

  #assertAlive(): void {
    if (this.#dead) throw systemError("DEAD");
  }

  #losePower(inode: Inode): void {
    let bytes = inode.durable;
    for (const change of inode.pending) {
      const fate = this.#random.int(3);
      if (fate === 0) continue;
      const { write } = change;
      bytes =
        fate === 1 && write !== undefined
          ? applied(bytes, { write: { ...write, bytes: write.bytes.slice(0, this.#random.int(write.bytes.length + 1)) } })
          : applied(bytes, change);
    }
    inode.bytes = bytes.slice();
    inode.durable = bytes.slice();
    inode.pending = [];
  }
}

function applied(bytes: Uint8Array, change: Change): Uint8Array {
  const { write, length } = change;
  const end = write === undefined ? (length ?? bytes.length) : Math.max(bytes.length, write.position + write.bytes.length);
  const next = new Uint8Array(end);
  next.set(bytes.subarray(0, end));
  if (write !== undefined) next.set(write.bytes, write.position);
  return next;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
