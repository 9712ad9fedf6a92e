import { randomBytes } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import { keyedRotation, type Rotation, rotate, rotateBack } from "./rotation.ts";
import type { Candidate, TemplateInfo } from "./template-store.ts";
import { VectorIndex } from "./vector-index.ts";

/** A template in memory. */
export interface TableEntry {
  readonly info: TemplateInfo;
  readonly dimension: number;
  /** Where its sealed vector lies in the journal's file. */
  secretAt: number;
  readonly secretLength: number;
}

interface Row extends TableEntry {
  row: number;
}

/** One space of vectors that may be compared, and whose they are. */
interface Shelf {
  readonly index: VectorIndex;
  readonly rotation: Rotation;
  readonly rows: Row[];
}

/** A vector to compare. */
interface Probe {
  readonly modality: GatewayModality;
  readonly space: string;
  readonly vector: Float32Array;
}

/**
 * The templates of an open store. Vectors lie in memory turned by a rotation that this process drew at random, one for each embedding space: cosines
 * are the same, but a page of memory that leaks without the rotation is no embedding.
 */
export class TemplateTable {
  readonly #key = new Uint8Array(randomBytes(32));
  readonly #entries = new Map<string, Row>();
  readonly #subjects = new Map<string, Map<string, Row>>();
  readonly #shelves = new Map<string, Shelf>();

  get size(): number {
    return this.#entries.size;
  }

  entries(): Iterable<TableEntry> {
    return this.#entries.values();
  }

  get(id: string): TableEntry | undefined {
    return this.#entries.get(id);
  }

  /** Templates of a person, of one modality or of all. */
  of(subject: string, modality?: GatewayModality): readonly TableEntry[] {
    const all = [...(this.#subjects.get(subject)?.values() ?? [])];
    return modality === undefined ? all : all.filter((entry) => entry.info.modality === modality);
  }

  /** The template that one of the same subject, modality and space would replace. */
  same(info: { readonly subject: string; readonly modality: GatewayModality; readonly space: string }): TableEntry | undefined {
    return this.#subjects.get(info.subject)?.get(shelfName(info));
  }

  /** @throws SHAPE_MISMATCH when vectors of this modality and space have another length */
  checkDimension(info: { readonly modality: GatewayModality; readonly space: string }, dimension: number): void {
    const known = this.#shelves.get(shelfName(info))?.index;
    if (known !== undefined && known.size > 0 && known.dimension !== dimension) {
      throw fail(
        "SHAPE_MISMATCH",
        `Cannot use a vector of ${dimension} elements: the others of ${info.space} have ${known.dimension}`,
      );
    }
  }

  add(entry: TableEntry, vector: Float32Array): void {
    this.checkDimension(entry.info, vector.length);
    const name = shelfName(entry.info);
    let shelf = this.#shelves.get(name);
    if (shelf === undefined || shelf.index.dimension !== vector.length) {
      shelf = { index: new VectorIndex(vector.length), rotation: keyedRotation(this.#key, vector.length), rows: [] };
      this.#shelves.set(name, shelf);
    }
    const row: Row = { ...entry, row: shelf.index.add(rotate(shelf.rotation, vector)) };
    shelf.rows.push(row);
    this.#entries.set(entry.info.id, row);
    const mine = this.#subjects.get(entry.info.subject) ?? new Map<string, Row>();
    mine.set(name, row);
    this.#subjects.set(entry.info.subject, mine);
  }

  /** Forgets a template and overwrites its vector. */
  remove(id: string): boolean {
    const gone = this.#entries.get(id);
    if (gone === undefined) return false;
    const name = shelfName(gone.info);
    const shelf = this.#shelves.get(name);
    const mine = this.#subjects.get(gone.info.subject);
    const moved = shelf?.rows.pop();
    shelf?.index.remove(gone.row);
    if (shelf !== undefined && moved !== undefined && moved !== gone) {
      shelf.rows[gone.row] = moved;
      moved.row = gone.row;
    }
    this.#entries.delete(id);
    if (mine?.get(name) === gone) mine.delete(name);
    if (mine?.size === 0) this.#subjects.delete(gone.info.subject);
    return true;
  }

  /** The vector of a template, for who protects it anew. */
  vector(id: string): Float32Array | undefined {
    const entry = this.#entries.get(id);
    const shelf = entry === undefined ? undefined : this.#shelves.get(shelfName(entry.info));
    return entry === undefined || shelf === undefined ? undefined : rotateBack(shelf.rotation, shelf.index.vector(entry.row));
  }

  score(subject: string, probe: Probe): number | undefined {
    this.checkDimension(probe, probe.vector.length);
    const row = this.#subjects.get(subject)?.get(shelfName(probe));
    const shelf = this.#shelves.get(shelfName(probe));
    if (shelf === undefined || shelf.index.size === 0) return undefined;
    // The same work for somebody who is not there: the time of it is in answers, and would say who is enrolled.
    const score = shelf.index.score(row?.row ?? 0, rotate(shelf.rotation, probe.vector));
    return row === undefined ? undefined : score;
  }

  search(probe: Probe, count: number): readonly Candidate[] {
    this.checkDimension(probe, probe.vector.length);
    const shelf = this.#shelves.get(shelfName(probe));
    if (shelf === undefined || shelf.index.size === 0) return [];
    return shelf.index.best(rotate(shelf.rotation, probe.vector), count).flatMap(({ row, score }) => {
      const info = shelf.rows[row]?.info;
      return info === undefined ? [] : [{ subject: info.subject, template: info.id, score }];
    });
  }

  wipe(): void {
    for (const { index } of this.#shelves.values()) index.wipe();
    this.#key.fill(0);
    for (const map of [this.#entries, this.#subjects, this.#shelves]) map.clear();
  }
}

function shelfName(of: { readonly modality: GatewayModality; readonly space: string }): string {
  return `${of.modality} ${of.space}`;
}
