import type {
  Challenge,
  ChallengeRequest,
  Decision,
  EnrolAnswer,
  Health,
  Me,
  ModelEntry,
  SubjectEntry,
} from "@tessera/core/protocol/gateway-api";
import { answerProblem, ProblemError } from "./problem.ts";

/** What was captured: pictures as JPEG, sounds as WAV (or files as they were chosen). */
export interface Captures {
  readonly images: readonly Blob[];
  readonly sounds: readonly Blob[];
}

/** The calls of the gateway that the page makes. Each throws {@link ProblemError}, or the reason of an aborted `signal`. */
export interface GatewayClient {
  health(): Promise<Health>;
  me(): Promise<Me>;
  models(): Promise<readonly ModelEntry[]>;
  subjects(): Promise<readonly SubjectEntry[]>;
  remove(subject: string): Promise<void>;
  enrol(subject: string, captures: Captures, signal: AbortSignal): Promise<EnrolAnswer>;
  verify(subject: string, captures: Captures, signal: AbortSignal): Promise<Decision>;
  identify(captures: Captures, signal: AbortSignal): Promise<Decision>;
}

/** How the client reaches the gateway. */
export interface GatewayClientOptions {
  /** Asked at each call; undefined sends none. */
  readonly token: () => string | undefined;
  readonly fetch: (path: string, init: RequestInit) => Promise<Response>;
}

interface AskInit {
  readonly body?: FormData | string;
  readonly signal?: AbortSignal;
}

/** A client of the gateway that served this page. */
export function gatewayClient({ token, fetch }: GatewayClientOptions): GatewayClient {
  const ask = async (method: string, path: string, init: AskInit = {}) => {
    const held = token();
    const headers: Record<string, string> = { accept: "application/json" };
    if (held !== undefined) headers["authorization"] = `Bearer ${held}`;
    if (typeof init.body === "string") headers["content-type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(path, { ...init, method, headers, cache: "no-store", credentials: "omit", redirect: "error" });
    } catch (cause) {
      init.signal?.throwIfAborted();
      throw new ProblemError({ kind: "offline" }, { cause });
    }
    return { response, body: await bodyOf(response) };
  };

  /** An answer is taken for what it is by its shape, not by its status: a lock-out is a decision whichever status carries it. */
  const get = async <T>(method: string, path: string, is: (body: unknown) => boolean, init: AskInit = {}): Promise<T> => {
    const { response, body } = await ask(method, path, init);
    if (is(body)) return body as T;
    throw new ProblemError(answerProblem(response.status, body, response.headers.get("retry-after")));
  };

  const decide = async (path: string, { images, sounds }: Captures, signal: AbortSignal): Promise<Decision> => {
    // Bound to these captures, a nonce is of no use to whoever might slip others in. Without a safe connection there is no digest to bind it with.
    const digest = await captureDigest({ images, sounds });
    const request: ChallengeRequest = digest === undefined ? {} : { digest };
    const { nonce } = await get<Challenge>("POST", "/v1/challenge", has("nonce"), { body: JSON.stringify(request), signal });
    return get("POST", path, has("decision"), { body: form({ images, sounds }, nonce), signal });
  };

  return {
    me: () => get("GET", "/v1/me", has("role")),
    health: () => get("GET", "/v1/health", has("status")),
    models: () => get("GET", "/v1/models", Array.isArray),
    subjects: () => get("GET", "/v1/subjects", Array.isArray),
    async remove(subject) {
      const { response, body } = await ask("DELETE", `/v1/subjects/${encodeURIComponent(subject)}`);
      if (!response.ok) throw new ProblemError(answerProblem(response.status, body, response.headers.get("retry-after")));
    },
    enrol: (subject, captures, signal) =>
      get("POST", `/v1/subjects/${encodeURIComponent(subject)}/enrol`, has("enrolled"), { body: form(captures), signal }),
    verify: (subject, captures, signal) => decide(`/v1/subjects/${encodeURIComponent(subject)}/verify`, captures, signal),
    identify: (captures, signal) => decide("/v1/identify", captures, signal),
  };
}

/**
 * What a challenge is bound to: SHA-256 over the SHA-256 of every picture and then of every sound, base64url without padding; undefined where the
 * browser has no `crypto.subtle`.
 */
export async function captureDigest({ images, sounds }: Captures): Promise<string | undefined> {
  const { subtle } = globalThis.crypto;
  if (subtle === undefined) return undefined;
  const each = await Promise.all(
    [...images, ...sounds].map(async (capture) => subtle.digest("SHA-256", await capture.arrayBuffer())),
  );
  const all = await subtle.digest("SHA-256", await new Blob(each).arrayBuffer());
  return btoa(String.fromCharCode(...new Uint8Array(all)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text().catch(() => "");
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function has(key: string): (body: unknown) => boolean {
  return (body) => typeof body === "object" && body !== null && Object.hasOwn(body, key);
}

function form({ images, sounds }: Captures, nonce?: string): FormData {
  const data = new FormData();
  if (nonce !== undefined) data.append("nonce", nonce);
  images.forEach((image, i) => {
    data.append("image", image, `face-${i + 1}.${image.type === "image/png" ? "png" : "jpg"}`);
  });
  sounds.forEach((sound, i) => {
    data.append("audio", sound, `voice-${i + 1}.wav`);
  });
  return data;
}
