import { fail } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import { sha256Hex } from "@tessera/core/base/sha256";
import type { AuditEntry, GatewayModality, QualityCode } from "@tessera/core/protocol/gateway-api";
import type { Pipeline, Probe } from "@tessera/gateway/pipeline/pipeline";
import type { Audit, Lockout, TemplateInfo, TemplateStore } from "@tessera/gateway/store/template-store";

/** Stand-ins for what the gateway's service is built on, so that its tests are about the service. */

/** Dimension of the embeddings of {@link scriptedPipeline}. */
const DIMENSION = 64;

/** What a made-up capture says about itself. */
export interface ScriptedCapture {
  readonly person: string;
  /** Another capture of the same person. */
  readonly take?: number;
  /** P(real); absent where no liveness network looked. */
  readonly live?: number;
  readonly poor?: QualityCode;
}

/** A PGM or WAV file by its first bytes, with what {@link scriptedPipeline} is to make of it in its text. */
export function scriptedFile(modality: GatewayModality, capture: ScriptedCapture): Uint8Array {
  const text = JSON.stringify(capture);
  return new TextEncoder().encode(modality === "face" ? `P5\n#${text}\n1 1\n255\n0` : `RIFF\0\0\0\0WAVE#${text}\n`);
}

/** A unit vector of a person: takes of one person lie close together, those of two do not. */
export function scriptedVector(modality: GatewayModality, capture: ScriptedCapture): Float32Array {
  const seedOf = (text: string): number => Number.parseInt(sha256Hex(text).slice(0, 8), 16);
  const person = seededRandom(seedOf(`${modality}/${capture.person}`));
  const take = seededRandom(seedOf(`${modality}/${capture.person}/${capture.take ?? 0}`));
  const vector = Float32Array.from({ length: DIMENSION }, () => person.normal() + 0.1 * take.normal());
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** Space of the embeddings of a modality. */
export function scriptedSpace(modality: GatewayModality): string {
  return `scripted-${modality}`;
}

function parsed(bytes: Uint8Array): ScriptedCapture | undefined {
  const text = /#(\{[^\n]*\})\n/.exec(new TextDecoder("latin1").decode(bytes.subarray(0, 4096)))?.[1];
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return typeof value === "object" && value !== null && "person" in value ? (value as ScriptedCapture) : undefined;
  } catch {
    return undefined;
  }
}

/** A pipeline that does with {@link scriptedFile}s what their text says, and finds everything else unreadable. `until` says when it may begin. */
export function scriptedPipeline(
  options: {
    readonly modalities?: readonly GatewayModality[];
    readonly until?: (signal: AbortSignal | undefined) => Promise<void>;
  } = {},
): Pipeline & { readonly seen: number } {
  const { modalities = ["face", "voice"], until } = options;
  let seen = 0;
  return {
    get seen() {
      return seen;
    },
    models: modalities.map((modality) => ({
      role: modality === "face" ? ("face-embedder" as const) : ("voice-embedder" as const),
      name: `scripted ${modality}`,
      sha256: sha256Hex(modality),
      runtime: "none",
      embeddingSpace: scriptedSpace(modality),
      thresholds: [],
      licence: "Apache-2.0",
    })),
    modalities,
    async probe(modality, bytes, probeOptions): Promise<Probe> {
      seen++;
      await until?.(probeOptions?.signal);
      probeOptions?.signal?.throwIfAborted();
      const capture = parsed(bytes);
      const base = {
        modality,
        space: scriptedSpace(modality),
        quality: {},
        stages: [{ stage: "decode" as const, modality, ms: 0.5 }],
      };
      if (capture === undefined) return { ...base, notes: [{ code: "unreadable", says: "The capture cannot be read" }] };
      if (capture.person === "crash")
        throw fail("RUNTIME_FAILED", "Cannot run the network: it was told to fail, for a secret reason");
      if (capture.poor !== undefined) return { ...base, notes: [{ code: capture.poor, says: `Scripted: ${capture.poor}` }] };
      const liveness = capture.live === undefined ? {} : { liveness: { real: capture.live, passed: capture.live >= 0.5 } };
      if (capture.live !== undefined && capture.live < 0.5) return { ...base, ...liveness, notes: [] };
      if (probeOptions?.stop === "quality") return { ...base, notes: [] };
      return { ...base, ...liveness, notes: [], embedding: scriptedVector(modality, capture) };
    },
    close: async () => {},
  };
}

/** Templates in a map. */
export function memoryTemplates(): TemplateStore {
  const rows: (TemplateInfo & { readonly vector: Float32Array })[] = [];
  let made = 0;
  const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
  const drop = (which: (row: TemplateInfo) => boolean): number => {
    const kept = rows.filter((row) => !which(row));
    const gone = rows.length - kept.length;
    rows.splice(0, rows.length, ...kept);
    return gone;
  };
  return {
    async enrol(templates) {
      return templates.map(({ subject, modality, space, vector, samples }) => {
        drop((row) => row.subject === subject && row.modality === modality && row.space === space);
        const info = { id: `t${++made}`, subject, modality, space, samples, enrolledAt: Date.UTC(2026, 0, 1) };
        rows.push({ ...info, vector });
        return info;
      });
    },
    remove: async (subject, modality) =>
      drop((row) => row.subject === subject && (modality === undefined || row.modality === modality)),
    list: () => rows.map(({ vector: _, ...info }) => info),
    score(subject, probe) {
      const row = rows.find((r) => r.subject === subject && r.modality === probe.modality && r.space === probe.space);
      return row === undefined ? undefined : cosine(row.vector, probe.vector);
    },
    search: (probe, count) =>
      rows
        .filter((row) => row.modality === probe.modality && row.space === probe.space)
        .map((row) => ({ subject: row.subject, template: row.id, score: cosine(row.vector, probe.vector) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, count),
    renew: async (subject) => rows.filter((row) => row.subject === subject).length,
    close: async () => {},
  };
}

/** Five wrong tries, then 30 seconds. */
export function memoryLockout(now: () => number): Lockout & { readonly failures: ReadonlyMap<string, number> } {
  const failures = new Map<string, number>();
  const until = new Map<string, number>();
  const last = new Map<string, Promise<unknown>>();
  return {
    failures,
    exclusive(key, work) {
      const mine = (last.get(key) ?? Promise.resolve()).then(work, work);
      last.set(key, mine);
      return mine;
    },
    check(key) {
      const waitMs = (until.get(key) ?? 0) - now();
      return waitMs > 0 ? { allowed: false, retryAfterMs: waitMs, needsPrimary: false } : { allowed: true };
    },
    async failed(key) {
      // As a disk would: others run meanwhile.
      await new Promise((resolve) => setImmediate(resolve));
      const count = (failures.get(key) ?? 0) + 1;
      failures.set(key, count);
      if (count % 5 === 0) until.set(key, now() + 30_000);
    },
    async passed(key) {
      failures.delete(key);
    },
    async unlock(key) {
      failures.delete(key);
      until.delete(key);
    },
  };
}

/** A log that is read back. */
export function memoryAudit(): Audit & { read(from: number, limit: number): Promise<readonly AuditEntry[]> } {
  const entries: AuditEntry[] = [];
  return {
    async append(event, about = {}) {
      entries.push({ sequence: entries.length, at: "2026-01-01T00:00:00.000Z", event, ...about, hash: "0" });
    },
    read: async (from, limit) => entries.filter((e) => e.sequence >= from).slice(0, limit),
  };
}
