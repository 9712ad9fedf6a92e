import { seededRandom } from "@tessera/core/base/random";
import { FakeDisk } from "@tessera/testkit/store/fake-disk";
import {
  alteredFiles,
  openOn,
  outcomeOf,
  placesOf,
  REFUSALS,
  type StoreFiles,
  type StoreHistory,
  storeHistory,
} from "@tessera/testkit/store/store-history";
import { seededTemplate, storeState } from "@tessera/testkit/store/store-state";
import { beforeAll, describe, expect, it } from "vitest";
import { fileAnchor } from "./anchor.ts";

const random = seededRandom(5);
let history: StoreHistory;
let files: StoreFiles;
let state = "";

beforeAll(async () => {
  history = await storeHistory();
  ({ files, state } = history);
});

describe("a store that somebody altered", () => {
  it("opens unaltered", async () => {
    expect(await outcomeOf(files)).toBe(state);
    expect([...files.keys()].filter((name) => name.includes("audit-")).length).toBeGreaterThan(1);
  });

  it("refuses a changed bit, or shows the very same state", async () => {
    let refused = 0;
    for (const [name, at] of placesOf(files, { oneOf: 12, random })) {
      const found = await outcomeOf(alteredFiles(files, name, (b) => b.with(at, (b[at] ?? 0) ^ (1 << random.int(8)))));
      if (found === state) continue;
      expect(REFUSALS, `${name} at ${at}`).toContain(found);
      refused++;
    }
    expect(refused).toBeGreaterThan(200);
  });

  it("refuses a file that was cut, or shows the very same state", async () => {
    for (const [name, length] of placesOf(files, { oneOf: 12, random })) {
      const found = await outcomeOf(alteredFiles(files, name, (b) => b.slice(0, length)));
      // A head cut within its newest slot: the commit behind it proves what the slot said.
      if (found === state) expect(name).toMatch(/\.head$/);
      else expect(REFUSALS, `${name} cut to ${length}`).toContain(found);
    }
    for (const name of files.keys()) expect(REFUSALS).toContain(await outcomeOf(alteredFiles(files, name, () => undefined)));
  });

  it("cuts what follows the acknowledged end, which nobody was promised", async () => {
    const name = templatesFile();
    for (const extra of [1, 7, 500]) {
      expect(await outcomeOf(alteredFiles(files, name, (b) => Buffer.concat([b, Buffer.alloc(extra, extra)])))).toBe(state);
    }
  });

  it("refuses records that were swapped, doubled, left out, or taken from another store or device", async () => {
    const name = templatesFile();
    const bytes = files.get(name) ?? new Uint8Array(0);
    const frames: [number, number][] = [];
    for (let at = 72; at < bytes.length; ) {
      const end = at + 8 + new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true);
      frames.push([at, end]);
      at = end;
    }
    expect(frames.length).toBeGreaterThan(3);
    const rebuilt = (order: readonly number[]) =>
      alteredFiles(files, name, (b) => Buffer.concat([b.slice(0, 72), ...order.map((i) => b.slice(...(frames[i] ?? [0, 0])))]));
    const all = frames.map((_, i) => i);
    for (const i of all) {
      expect(await outcomeOf(rebuilt(all.filter((j) => j !== i)))).toBe("STORE_DAMAGED");
      if (i === all.length - 1) continue;
      expect(await outcomeOf(rebuilt(all.map((j) => (j === i ? i + 1 : j === i + 1 ? i : j))))).toBe("STORE_DAMAGED");
      expect(await outcomeOf(rebuilt(all.flatMap((j) => (j === i ? [i, i] : [j]))))).toBe("STORE_DAMAGED");
    }
    expect(await outcomeOf(files, { deviceId: "another device" })).toBe("KEY_REJECTED");
    const other = new FakeDisk(random);
    const stranger = await openOn(other);
    await stranger.templates.enrol([seededTemplate("mallory", 9)]);
    await stranger.close();
    for (const [from, content] of other.dump()) {
      if (!files.has(from)) continue;
      expect(REFUSALS, from).toContain(await outcomeOf(alteredFiles(files, from, () => content)));
    }
  });

  it("refuses a commit taken back: its record cut, its slot of the head damaged or written over with an older one", async () => {
    const journal = templatesFile();
    const head = journal.replace(/templates-.*/, "templates.head");
    const bytes = files.get(journal) ?? new Uint8Array(0);
    let last = 0;
    for (let at = 72; at < bytes.length; at += 8 + new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true))
      last = at;
    const cut = alteredFiles(files, journal, (b) => b.slice(0, last));
    expect(await outcomeOf(cut)).toBe("STORE_DAMAGED");
    const counterAt = (file: Uint8Array, slot: number) => Number(Buffer.from(file).readBigUInt64LE(slot + 8));
    const current = files.get(head) ?? new Uint8Array(0);
    const newest = counterAt(current, 0) > counterAt(current, 4096) ? 0 : 4096;
    for (const at of [0, 8, 30, 60, 119]) {
      const damaged = alteredFiles(cut, head, (b) => b.with(newest + at, (b[newest + at] ?? 0) ^ 1));
      expect(await outcomeOf(damaged)).toBe("STORE_DAMAGED");
    }
    let tried = 0;
    for (const old of history.dumps) {
      const before = old.get(head) ?? new Uint8Array(0);
      if (counterAt(before, newest) === counterAt(current, newest)) continue;
      const replayed = alteredFiles(cut, head, (b) =>
        Buffer.concat([b.slice(0, newest), before.slice(newest, newest + 120), b.slice(newest + 120)]),
      );
      const found = await outcomeOf(replayed);
      // Both slots and the journal as they were one commit ago: a whole older copy, which only an anchor can tell (below).
      if (counterAt(current, newest) - counterAt(before, newest) === 2) expect(found).toBe(history.states.at(-2));
      else expect(REFUSALS).toContain(found);
      tried++;
    }
    expect(tried).toBeGreaterThan(2);
  });

  it("refuses an older file among newer ones: a head, a journal, keys, one journal of the two", async () => {
    for (const [i, old] of history.dumps.slice(0, -1).entries()) {
      for (const [name, bytes] of old) {
        const mixed = await outcomeOf(alteredFiles(files, name, () => bytes));
        if (mixed !== state) expect(REFUSALS, `${name} of dump ${i}`).toContain(mixed);
      }
    }
  });

  it("refuses one journal of an earlier time as far as the other one has written since", async () => {
    // The audit log wrote last at the fourth dump, when the templates were as at the third; the templates wrote last at the sixth.
    for (const [which, seen] of [
      ["templates", 2],
      ["audit", 3],
    ] as const) {
      for (const [i, old] of history.dumps.slice(0, seen).entries()) {
        const mixed = new Map([...files].filter(([name]) => !name.includes(`/${which}`)));
        for (const [name, bytes] of old) if (name.includes(`/${which}`)) mixed.set(name, bytes);
        expect(await outcomeOf(mixed), `${which} of dump ${i}`).toBe("STORE_DAMAGED");
      }
    }
  });

  it("cannot tell a whole older copy without an anchor, and can with one", async () => {
    for (const [i, old] of history.dumps.entries()) expect(await outcomeOf(old)).toBe(history.states[i]);

    const elsewhere = new FakeDisk(random);
    const anchor = fileAnchor("/elsewhere/anchor", elsewhere);
    const disk = new FakeDisk(random);
    const store = await openOn(disk, { anchor });
    const then = elsewhere.dump();
    await store.lockout.failed("a");
    const old = disk.dump();
    await store.lockout.failed("a");
    const now = await storeState(store, ["a", "b"]);
    await store.close();
    const current = disk.dump();
    expect(await outcomeOf(old, { anchor })).toBe("STORE_ROLLED_BACK");
    expect(await outcomeOf(new Map(), { anchor })).toBe("STORE_ROLLED_BACK");
    expect(await outcomeOf(current)).toBe("STORE_ROLLED_BACK");
    expect(await outcomeOf(current, { anchor })).toBe(now);
    // The anchor put back is no help either.
    elsewhere.load(then);
    expect(await outcomeOf(current, { anchor })).toBe("STORE_ROLLED_BACK");
  });
});

function templatesFile(): string {
  const found = [...files.keys()].find((name) => /templates-\d/.test(name));
  if (found === undefined) throw new Error("there is no file of templates");
  return found;
}
