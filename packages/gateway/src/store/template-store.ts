import type { GatewayModality } from "@tessera/core/protocol/gateway-api";

/** A template to be enrolled. */
export interface NewTemplate {
  readonly subject: string;
  readonly modality: GatewayModality;
  /** Embedding-space id. */
  readonly space: string;
  /** f32[dimension], of length 1: the mean of the captures, normalised. */
  readonly vector: Float32Array;
  /** Captures that went into it. */
  readonly samples: number;
}

/** What may be told about an enrolled template. */
export interface TemplateInfo {
  readonly id: string;
  readonly subject: string;
  readonly modality: GatewayModality;
  readonly space: string;
  readonly samples: number;
  /** Milliseconds since 1970. */
  readonly enrolledAt: number;
}

/** Someone the search found. */
export interface Candidate {
  readonly subject: string;
  readonly template: string;
  /** Cosine, -1..1. */
  readonly score: number;
}

/**
 * Templates of one device: on disk encrypted and bound to subject, modality, embedding space and device; in memory in a protected form. Whatever a
 * promise here acknowledged survives the death of the process at any instant; whatever was not acknowledged is either there whole or not at all.
 */
export interface TemplateStore {
  /** Enrols all or none. A template of the same subject, modality and space is replaced. @throws STORE_FULL, IO */
  enrol(templates: readonly NewTemplate[]): Promise<readonly TemplateInfo[]>;
  /** Deletes a person, or one modality of theirs; how many templates went. */
  remove(subject: string, modality?: GatewayModality): Promise<number>;
  list(): readonly TemplateInfo[];
  /** Cosine of a probe with a person's template; `undefined` when there is none of that modality and space. */
  score(
    subject: string,
    probe: { readonly modality: GatewayModality; readonly space: string; readonly vector: Float32Array },
  ): number | undefined;
  /** The `count` best of all templates of that modality and space, best first. */
  search(
    probe: { readonly modality: GatewayModality; readonly space: string; readonly vector: Float32Array },
    count: number,
  ): readonly Candidate[];
  /** Gives the template of a person a new key, so that every copy of the old one is worthless. @throws DATA_MISSING when there is none */
  renew(subject: string): Promise<number>;
  close(): Promise<void>;
}

/** Tries of one subject (or of one caller, for identify), as the lock-out counts them. Survives restarts. */
export interface Lockout {
  /** Whether a try may be made now; milliseconds to wait when not. @throws STORE_FULL when a wrong one could not be counted */
  check(
    key: string,
  ): { readonly allowed: true } | { readonly allowed: false; readonly retryAfterMs: number; readonly needsPrimary: boolean };
  /** A wrong try with a capture of sufficient quality. Resolves when it is on disk: nobody gets an answer before. */
  failed(key: string): Promise<void>;
  /** A right try: the count begins anew. Does not lift a lock-out that asks for the primary credential. */
  passed(key: string): Promise<void>;
  /** Somebody showed the primary credential: lifts everything. */
  unlock(key: string): Promise<void>;
  /**
   * Runs tries of one key after each other. Check, try and count inside: fifty requests at once would otherwise all pass `check` before the first
   * of them counts.
   */
  exclusive<T>(key: string, work: () => Promise<T>): Promise<T>;
}

/** The hash-chained log. */
export interface Audit {
  /** Resolves when it is on disk. `detail` never holds scores, vectors, pictures or secrets. */
  append(
    event: string,
    about?: { readonly subject?: string; readonly detail?: Readonly<Record<string, string | number | boolean>> },
  ): Promise<void>;
}
