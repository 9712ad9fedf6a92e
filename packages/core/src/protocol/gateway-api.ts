/**
 * What the gateway's callers send and get: types only, shared by the gateway, the page and the command. Everything lives under `/v1`.
 *
 * | call | role | body | answer |
 * |---|---|---|---|
 * | `POST /v1/challenge` | any | - or {@link ChallengeRequest} | {@link Challenge} |
 * | `POST /v1/subjects/:subject/enrol` | operator | multipart: `image` and `audio` parts, one or several | 201 {@link EnrolAnswer}, 422 {@link EnrolRefusal} |
 * | `POST /v1/subjects/:subject/verify` | capture | multipart: `image`, `audio`, `nonce`, perhaps `webauthn` ({@link AssertionRequest}) | {@link Decision} |
 * | `POST /v1/identify` | capture | multipart: `image`, `audio`, `nonce` | {@link Decision} with `subject` |
 * | `GET /v1/subjects` | operator | - | {@link SubjectEntry}[] |
 * | `DELETE /v1/subjects/:subject?modality=` | operator | - | 204 |
 * | `POST /v1/subjects/:subject/renew` | operator | - | 204: templates under new keys |
 * | `POST /v1/subjects/:subject/webauthn` | operator | {@link CredentialRequest} | 201 {@link CredentialAnswer} |
 * | `POST /v1/unlock` | operator | {@link UnlockRequest} | 204 |
 * | `GET /v1/models` | any | - | {@link ModelEntry}[] |
 * | `GET /v1/me` | any | - | {@link Me} |
 * | `GET /v1/health` | nobody asks | - | {@link Health} |
 * | `GET /v1/jwks` | nobody asks | - | JSON Web Key Set: what verdicts are checked with |
 * | `GET /metrics` | auditor | - | Prometheus text |
 * | `GET /v1/audit?from=` | auditor | - | {@link AuditEntry}[] |
 * | `WS /v1/live` | capture | first {@link LiveHello}, then binary pictures and sounds | {@link LiveMessage}, one for each frame that was looked at |
 *
 * Errors are {@link ApiError} with a fitting status. Pictures are JPEG, PNG, PGM or PPM; sounds are WAV.
 */

/** What a person is recognised by. */
export type GatewayModality = "face" | "voice";

/** Roles of tokens, each with what those before it may do, but for the auditor, who only reads. "developer" is a trusted caller: it sees scores. */
export type GatewayRole = "capture" | "operator" | "developer" | "auditor";

/** A nonce that one verify or identify call uses up. */
export interface Challenge {
  readonly nonce: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** Optional body of a challenge: the nonce then holds for these captures only. */
export interface ChallengeRequest {
  /** SHA-256 over the SHA-256 of every `image` part and then of every `audio` part, in their order; base64url without padding. */
  readonly digest?: string;
}

/** Who the caller is, and what a decision of this gateway needs. */
export interface Me {
  readonly token: string;
  readonly role: GatewayRole;
  readonly modalities: readonly GatewayModality[];
  readonly mode: "all" | "any" | "fused";
}

/** Whose lock-out an operator lifts: of a subject, or of a caller by the id of its token. */
export type UnlockRequest = { readonly subject: string } | { readonly caller: string };

/** Why a capture was not good enough, in the order of the table in the gateway's documentation. */
export type QualityCode =
  | "no-face"
  | "several-faces"
  | "face-small"
  | "face-cut"
  | "face-turned"
  | "blurred"
  | "dark"
  | "bright"
  | "silent"
  | "short"
  | "clipped"
  | "noisy"
  | "unreadable";

/** Something the person at the device can do better. */
export interface QualityNote {
  readonly code: QualityCode;
  /** A sentence for the person, such as "Come closer". */
  readonly says: string;
}

/** Measurements of a capture; those that apply. */
export interface QualityFigures {
  /** Share of the shorter side of the picture that the face's box takes. */
  readonly faceShare?: number;
  /** Distance between the eyes, pixels. */
  readonly eyeDistance?: number;
  /** Box of the face in pixels of the picture: x, y, width, height. */
  readonly box?: readonly [number, number, number, number];
  /** Turn of the head about the vertical axis and tilt in the picture's plane, degrees, estimated from five landmarks. */
  readonly yawDegrees?: number;
  readonly rollDegrees?: number;
  /** Variance of the Laplacian over the aligned face, grey levels squared. */
  readonly sharpness?: number;
  /** Mean grey level of the aligned face, 0..255. */
  readonly brightness?: number;
  /** Seconds of sound, and of speech in it. */
  readonly seconds?: number;
  readonly speechSeconds?: number;
  /** Root mean square of the speech, decibels relative to full scale. */
  readonly levelDb?: number;
  /** Share of samples at full scale. */
  readonly clippedShare?: number;
}

/** What became of one modality in a decision. "not-compared": good enough, but nothing was compared with it. */
export type ModalityOutcome = "match" | "no-match" | "not-live" | "poor-quality" | "not-enrolled" | "not-sent" | "not-compared";

/** One modality's part of a decision. */
export interface ModalityAnswer {
  readonly modality: GatewayModality;
  readonly outcome: ModalityOutcome;
  readonly notes: readonly QualityNote[];
  readonly quality: QualityFigures;
  /** Only to trusted callers (role developer): comparison score, threshold, and the liveness network's P(real). */
  readonly score?: number;
  readonly threshold?: number;
  readonly liveness?: number;
}

/** How long a stage took. */
export interface StageTime {
  readonly stage:
    | "queue"
    | "decode"
    | "detect"
    | "align"
    | "quality"
    | "liveness"
    | "vad"
    | "features"
    | "embed"
    | "compare"
    | "search"
    | "store";
  readonly modality?: GatewayModality;
  readonly ms: number;
}

/** Answer of verify and identify. "retry": the capture was not good enough, which counts as no try. "locked": too many wrong tries. */
export interface Decision {
  readonly decision: "accept" | "reject" | "retry" | "locked";
  /** Who it is: identify only, and only with "accept". */
  readonly subject?: string;
  /** Sentences for the person. */
  readonly reasons: readonly string[];
  readonly modalities: readonly ModalityAnswer[];
  readonly stages: readonly StageTime[];
  /** From the last byte of the request to the answer, milliseconds. */
  readonly totalMs: number;
  /** With "locked"; absent when waiting does not help and an operator must unlock. */
  readonly retryAfterSeconds?: number;
  /** With "accept", where the gateway has a signing key: a JWT (ES256) over subject, device, modalities and nonce. */
  readonly verdict?: string;
  /** The same as a CWT in a COSE_Sign1, base64url, where the gateway's configuration asks for it. */
  readonly verdictCose?: string;
  /** With "accept", where the caller asked for it. */
  readonly assertion?: WebAuthnAssertion;
  /** Fused score, where fusion decided; trusted callers only. */
  readonly fusedScore?: number;
}

/** Answer of enrol. Nothing is stored unless every modality that was sent could be enrolled. */
export interface EnrolAnswer {
  readonly subject: string;
  readonly enrolled: readonly {
    readonly modality: GatewayModality;
    readonly template: string;
    /** Captures that went into it. */
    readonly samples: number;
  }[];
  readonly modalities: readonly ModalityAnswer[];
  readonly stages: readonly StageTime[];
  readonly totalMs: number;
}

/** Answer 422 of enrol: which captures would not do. `enrolled` is empty. */
export interface EnrolRefusal extends ApiError, EnrolAnswer {}

/** Asks the gateway to make a WebAuthn credential for a subject: `navigator.credentials.create()` without a browser. */
export interface CredentialRequest {
  /** Domain of the relying party. */
  readonly rpId: string;
  /** The relying party's id of the user, base64url, 1..64 bytes. */
  readonly userHandle: string;
  /** JSON of type "webauthn.create", base64url; its origin must belong to `rpId`. */
  readonly clientDataJSON: string;
}

/** A new credential, to be sent to the relying party. All base64url. */
export interface CredentialAnswer {
  readonly credentialId: string;
  /** CBOR, attestation "none". */
  readonly attestationObject: string;
  readonly clientDataJSON: string;
}

/** Asks for an assertion with the decision: `navigator.credentials.get()` without a browser. */
export interface AssertionRequest {
  readonly rpId: string;
  /** JSON of type "webauthn.get", base64url; its origin must belong to `rpId`. */
  readonly clientDataJSON: string;
}

/** What the relying party verifies. All base64url. */
export interface WebAuthnAssertion {
  readonly credentialId: string;
  readonly authenticatorData: string;
  readonly clientDataJSON: string;
  readonly signature: string;
  readonly userHandle: string;
}

/** A person in the list. */
export interface SubjectEntry {
  readonly subject: string;
  readonly templates: readonly {
    readonly modality: GatewayModality;
    readonly template: string;
    readonly embeddingSpace: string;
    readonly samples: number;
    /** RFC 3339. */
    readonly enrolledAt: string;
  }[];
}

/** A model the gateway runs. */
export interface ModelEntry {
  readonly role: "detector" | "liveness" | "face-embedder" | "vad" | "voice-embedder";
  readonly name: string;
  readonly sha256: string;
  readonly runtime: string;
  readonly embeddingSpace?: string;
  /** Thresholds of its card by false accept rate. */
  readonly thresholds: readonly { readonly far: number; readonly threshold: number }[];
  readonly licence: string;
}

/** Whether the gateway can do its work. */
export interface Health {
  readonly status: "ok" | "degraded";
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly problems: readonly string[];
}

/** One line of the audit log. `hash` is SHA-256 over the line before and this one. Never scores of strangers, never biometrics. */
export interface AuditEntry {
  readonly sequence: number;
  /** RFC 3339. */
  readonly at: string;
  readonly event: string;
  readonly subject?: string;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
  readonly hash: string;
}

/** First message over the WebSocket, as text: browsers cannot set headers there. Or `bearer.TOKEN` among the subprotocols, besides "tessera.v1". */
export interface LiveHello {
  readonly token: string;
}

/** What the gateway says over the WebSocket about each frame, so that the person can mend the capture before anything is decided. */
export interface LiveMessage {
  readonly kind: "quality";
  readonly modality: GatewayModality;
  readonly good: boolean;
  readonly notes: readonly QualityNote[];
  readonly quality: QualityFigures;
  readonly ms: number;
}

/** Every error of the API. */
export interface ApiError {
  readonly error: {
    /** A code of docs/error-codes.md. */
    readonly code: string;
    readonly says: string;
    readonly next: string;
  };
}
