import { type Random, seededRandom } from "@tessera/core/base/random";
import type { GatewayRole } from "@tessera/core/protocol/gateway-api";
import type { RoleTokens } from "./gateway-service.ts";
import { mutate } from "./mutate.ts";

/** What {@link abuseGateway} damages. */
export interface AbuseSamples {
  /** JPEG, PNG, PGM, PPM. */
  readonly images: readonly Uint8Array[];
  /** WAV. */
  readonly sounds: readonly Uint8Array[];
}

/** What came of it. */
export interface AbuseReport {
  /** Answers by status. */
  readonly statuses: Readonly<Record<number, number>>;
  /** Answers that no damage explains: what was sent, and what came back. */
  readonly wrong: readonly string[];
  /** Decisions by outcome. */
  readonly decisions: Readonly<Record<string, number>>;
  /** Largest resident memory seen, bytes. */
  readonly peakRssBytes: number;
}

/** What a damaged upload may be answered with. Never 500, and 503 only by a gateway that is full, which one request at a time does not make it. */
const EXPECTED = new Set([200, 201, 400, 404, 413, 415, 422]);

const BOUNDARY = "----tessera-abuse";

/**
 * Sends damaged uploads, a few at a time: files damaged inside a sound form, forms damaged as a whole, bodies that are noise, content types and addresses
 * that are wrong. Every answer must be one of the API's own.
 */
export async function abuseGateway(
  url: string,
  tokens: RoleTokens,
  options: { readonly samples: AbuseSamples; readonly count: number; readonly seed: number; readonly clients?: number },
): Promise<AbuseReport> {
  const { samples, count, seed, clients = 4 } = options;
  const statuses: Record<number, number> = {};
  const decisions: Record<string, number> = {};
  const wrong: string[] = [];
  let peakRssBytes = 0;
  let next = 0;
  const one = async (i: number): Promise<void> => {
    const random = seededRandom(seed + i);
    const role: GatewayRole = random.int(4) === 0 ? "operator" : "capture";
    const nonce = await nonceOf(url, tokens.capture);
    // A subject of its own for each, so that no lock-out hides what is behind it.
    const path = role === "operator" ? `/v1/subjects/s${i}/enrol` : `/v1/subjects/s${i}/verify`;
    const { body, type, how } = damaged(random, { ...samples, ...(role === "capture" && { nonce }) });
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${tokens[role]}`, "content-type": type },
      body: body as Uint8Array<ArrayBuffer>,
    }).catch((cause: unknown) => new Response(String(cause instanceof Error ? cause.cause : cause), { status: 599 }));
    const text = await response.text();
    statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    if (!EXPECTED.has(response.status) || !isAnswer(text))
      wrong.push(`seed ${seed + i}, ${how}: ${response.status} ${text.slice(0, 300)}`);
    const decision = /"decision":"(\w+)"/.exec(text)?.[1];
    if (decision !== undefined) decisions[decision] = (decisions[decision] ?? 0) + 1;
    peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss());
  };
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < count) await one(next++);
    }),
  );
  return { statuses, wrong, decisions, peakRssBytes };
}

async function nonceOf(url: string, token: string): Promise<string> {
  const response = await fetch(`${url}/v1/challenge`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  return ((await response.json()) as { nonce: string }).nonce;
}

function isAnswer(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && ("error" in value || "decision" in value || "enrolled" in value);
  } catch {
    return false;
  }
}

interface Damaged {
  readonly body: Uint8Array;
  readonly type: string;
  readonly how: string;
}

function damaged(random: Random, samples: AbuseSamples & { readonly nonce?: string }): Damaged {
  const { images, sounds, nonce } = samples;
  const donors = [...images, ...sounds];
  const image = pick(random, images);
  const sound = pick(random, sounds);
  const type = `multipart/form-data; boundary=${BOUNDARY}`;
  const options = { donors, maxBytes: 1 << 20 };
  const form = (parts: readonly (readonly [string, Uint8Array])[]): Uint8Array =>
    formBytes([...parts, ...(nonce === undefined ? [] : [["nonce", Buffer.from(nonce)] as const])]);
  switch (random.int(8)) {
    case 0:
    case 1:
    case 2:
      return {
        body: form([
          ["image", mutate(image, random, options).bytes],
          ["audio", sound],
        ]),
        type,
        how: "image",
      };
    case 3:
    case 4:
      return {
        body: form([
          ["image", image],
          ["audio", mutate(sound, random, options).bytes],
        ]),
        type,
        how: "audio",
      };
    case 5: {
      // Damage near the front, where the form's own words are.
      const body = form([
        ["audio", sound],
        ["image", image],
      ]);
      const head = mutate(body.subarray(0, 200), random, options).bytes;
      return { body: Buffer.concat([head, body.subarray(200)]), type, how: "head of the form" };
    }
    case 6:
      return { body: mutate(form([["image", image]]), random, { ...options, maxSteps: 6 }).bytes, type, how: "form" };
    default: {
      const noise = Uint8Array.from({ length: random.int(4000) }, () => random.int(256));
      return {
        body: noise,
        type: pick(random, [type, "multipart/form-data", "application/json", "multipart/form-data; boundary=--", "x/y"]),
        how: "noise",
      };
    }
  }
}

function formBytes(parts: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const chunks = parts.flatMap(([name, bytes]) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="x"\r\n\r\n`),
    bytes,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...chunks, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)] as T;
}
