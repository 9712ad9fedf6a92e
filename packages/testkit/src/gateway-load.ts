import { Agent, request } from "node:http";
import { type CaptureFiles, captureForm, type RoleTokens } from "./gateway-service.ts";

/** What one client sends each time: who, and with what. */
export interface LoadCase {
  readonly subject: string;
  readonly files: CaptureFiles;
  readonly decision: "accept" | "reject" | "retry";
}

/** What {@link loadGateway} measured. */
export interface LoadReport {
  readonly requests: number;
  /** Answers that were not the decision that was to be expected, with what came instead. */
  readonly wrong: readonly string[];
  /** From the first byte sent to the last byte received, milliseconds: of one decision, its challenge not counted. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  readonly perSecond: number;
  /** Largest resident memory that the gateway told during the run, and what it was before, bytes. */
  readonly rssBeforeBytes: number;
  readonly rssPeakBytes: number;
}

/** Lets so many clients ask a gateway at once, each waiting for its answer before it asks again, over connections that are kept. */
export async function loadGateway(
  url: string,
  tokens: RoleTokens,
  options: { readonly clients: number; readonly requests: number; readonly cases: readonly LoadCase[] },
): Promise<LoadReport> {
  const { clients, requests, cases } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const call = (path: string, token: string, body?: { readonly bytes: Uint8Array; readonly type: string }) =>
    new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body && { "content-type": body.type, "content-length": body.bytes.length }),
      };
      const method = path === "/metrics" ? "GET" : "POST";
      const sent = request(`${url}${path}`, { agent, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      });
      sent.on("error", reject);
      sent.end(body?.bytes);
    });
  const rss = async (): Promise<number> =>
    Number(/^tessera_resident_bytes (\S+)$/m.exec((await call("/metrics", tokens.auditor)).text)?.[1]);
  const times: number[] = [];
  const wrong: string[] = [];
  let next = 0;
  const one = async (i: number): Promise<void> => {
    const { subject, files, decision } = cases[i % cases.length] as LoadCase;
    const { nonce } = JSON.parse((await call("/v1/challenge", tokens.capture)).text) as { nonce: string };
    const form = new Response(captureForm(files, nonce));
    const body = { bytes: new Uint8Array(await form.arrayBuffer()), type: form.headers.get("content-type") ?? "" };
    const startMs = performance.now();
    const { status, text } = await call(`/v1/subjects/${subject}/verify`, tokens.capture, body);
    times.push(performance.now() - startMs);
    const told = status === 200 ? (JSON.parse(text) as { decision: string }).decision : undefined;
    if (told !== decision) wrong.push(`${subject}: ${status} ${text.slice(0, 200)}`);
  };
  const rssBeforeBytes = await rss();
  let rssPeakBytes = rssBeforeBytes;
  const watch = setInterval(() => {
    rss().then(
      (bytes) => {
        rssPeakBytes = Math.max(rssPeakBytes, bytes);
      },
      () => {},
    );
  }, 500);
  const startMs = performance.now();
  try {
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (next < requests) await one(next++).catch((error: unknown) => wrong.push(String(error)));
      }),
    );
  } finally {
    clearInterval(watch);
  }
  const seconds = (performance.now() - startMs) / 1000;
  rssPeakBytes = Math.max(rssPeakBytes, await rss());
  agent.destroy();
  times.sort((a, b) => a - b);
  const quantile = (q: number): number => times[Math.min(times.length - 1, Math.ceil(q * times.length) - 1)] ?? Number.NaN;
  return {
    requests: times.length,
    wrong,
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    mostMs: quantile(1),
    perSecond: times.length / seconds,
    rssBeforeBytes,
    rssPeakBytes,
  };
}
