import { randomUUID } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { TemplateRecord } from "./records.ts";
import type { NewTemplate, TemplateInfo, TemplateStore } from "./template-store.ts";
import type { TableEntry } from "./template-table.ts";
import type { Vault } from "./vault.ts";

/** Bounds of a store. */
export interface StoreLimits {
  readonly templates: number;
  /** Elements of a vector. */
  readonly dimension: number;
  /** UTF-8 bytes of a subject, an embedding-space id or a lock-out key. */
  readonly nameBytes: number;
  /** Keys with wrong tries at a time. */
  readonly lockouts: number;
  /** A generation of the audit log is closed at this size. */
  readonly auditBytes: number;
  /** Closed generations of the audit log that are kept. */
  readonly auditGenerations: number;
}

/** What {@link StoreLimits} are unless said otherwise. */
export const STORE_LIMITS = {
  templates: 100_000,
  dimension: 4096,
  nameBytes: 256,
  lockouts: 100_000,
  auditBytes: 4 << 20,
  auditGenerations: 4,
} as const satisfies StoreLimits;

/** The templates of a vault, as the service uses them. */
export function templateStore(vault: Vault, limits: StoreLimits): TemplateStore {
  return {
    async enrol(templates) {
      for (const template of templates) checkTemplate(template, limits);
      checkDistinct(templates);
      return vault.run(async () => {
        const fresh = templates.map((template) => describe(vault, template));
        for (const { info, vector } of fresh) vault.table.checkDimension(info, vector.length);
        const gone = fresh.flatMap(({ replaces }) => replaces).length;
        if (vault.table.size + fresh.length - gone > limits.templates) {
          throw fail("STORE_FULL", `Cannot enrol: the store holds ${vault.table.size} of ${limits.templates} templates`);
        }
        await put(vault, fresh);
        return fresh.map(({ info }) => info);
      });
    },
    remove: (subject, modality) =>
      vault.run(async () => {
        const ids = vault.table.of(subject, modality).map((entry) => entry.info.id);
        if (ids.length === 0) return 0;
        await vault.commit([{ record: { kind: "removal", value: { ids } } }]);
        for (const id of ids) vault.table.remove(id);
        vault.leaveRemains();
        await vault.tidy();
        return ids.length;
      }),
    list() {
      vault.assertUsable();
      return Array.from(vault.table.entries(), (entry) => entry.info);
    },
    score(subject, probe) {
      vault.assertUsable();
      return vault.table.score(subject, probe);
    },
    search(probe, count) {
      vault.assertUsable();
      return vault.table.search(probe, count);
    },
    renew: (subject) =>
      vault.run(async () => {
        const entries = vault.table.of(subject);
        if (entries.length === 0) throw fail("DATA_MISSING", "Cannot renew: nothing is enrolled under that name");
        await put(
          vault,
          entries.map((entry) => renewed(vault, entry)),
        );
        return entries.length;
      }),
    close: () => vault.close(),
  };
}

interface Fresh {
  readonly info: TemplateInfo;
  readonly vector: Float32Array;
  readonly replaces: readonly string[];
}

function describe(vault: Vault, template: NewTemplate): Fresh {
  const { subject, modality, space, samples, vector } = template;
  const before = vault.table.same(template);
  const info = { id: randomUUID(), subject, modality, space, samples, enrolledAt: now(vault) };
  return { info, vector, replaces: before === undefined ? [] : [before.info.id] };
}

/** The same vector under a new name and a new salt. */
function renewed(vault: Vault, entry: TableEntry): Fresh {
  const vector = vault.table.vector(entry.info.id);
  if (vector === undefined) throw fail("STORE_DAMAGED", "Cannot renew: a template has no vector");
  return { info: { ...entry.info, id: randomUUID() }, vector, replaces: [entry.info.id] };
}

/** Acknowledges templates, then takes them up. */
async function put(vault: Vault, fresh: readonly Fresh[]): Promise<void> {
  const records = fresh.map(({ info, vector, replaces }) => {
    const value: TemplateRecord = { ...info, dimension: vector.length, replaces };
    return { record: { kind: "template", value } as const, secret: vault.protect(info, vector) };
  });
  const places = await vault.commit(records);
  for (const [i, { info, vector, replaces }] of fresh.entries()) {
    for (const id of replaces) {
      vault.table.remove(id);
      vault.leaveRemains();
    }
    const secretLength = records[i]?.secret.length ?? 0;
    vault.table.add({ info, dimension: vector.length, secretAt: places[i] ?? 0, secretLength }, vector);
  }
  await vault.tidy();
}

/** Time for a record: never before what is on record, whatever the clock says. */
function now(vault: Vault): number {
  vault.latestMs = Math.max(vault.latestMs, Math.round(vault.clock.wallMs()));
  return vault.latestMs;
}

function checkTemplate(template: NewTemplate, limits: StoreLimits): void {
  const { subject, space, vector } = template;
  for (const name of [subject, space]) checkName(name, limits);
  if (vector.length === 0 || vector.length > limits.dimension) {
    throw fail("SHAPE_MISMATCH", `Cannot enrol a vector of ${vector.length} elements: 1 to ${limits.dimension} are possible`);
  }
  let squares = 0;
  for (const value of vector) squares += value * value;
  // Also refuses NaN and infinity.
  if (!(Math.abs(Math.sqrt(squares) - 1) <= 1e-3)) {
    throw fail("SHAPE_MISMATCH", "Cannot enrol a vector: its length is not 1");
  }
}

/** @throws LIMIT_EXCEEDED */
export function checkName(name: string, limits: StoreLimits): void {
  const bytes = Buffer.byteLength(name, "utf8");
  if (bytes === 0 || bytes > limits.nameBytes) {
    throw fail("LIMIT_EXCEEDED", `Cannot use a name of ${bytes} bytes: 1 to ${limits.nameBytes} are possible`);
  }
}

function checkDistinct(templates: readonly NewTemplate[]): void {
  const seen = new Set(templates.map(({ subject, modality, space }) => JSON.stringify([subject, modality, space])));
  if (seen.size !== templates.length) {
    throw fail("LIMIT_EXCEEDED", "Cannot enrol: two templates are of the same subject, modality and embedding space");
  }
}
