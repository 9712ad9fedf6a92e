import { formOf, type ScriptedForm, scriptedGateway } from "@tessera/testkit/gateway-app";
import { describe, expect, test } from "vitest";

const ann = { person: "ann" };
const ben = { person: "ben" };

async function enrolled(changes: Parameters<typeof scriptedGateway>[0] = {}) {
  const gateway = scriptedGateway(changes);
  await gateway.enrol("ann", { image: ann, audio: ann });
  await gateway.enrol("ben", { image: ben, audio: ben });
  return gateway;
}

describe("nonces", () => {
  test("a try without one is refused", async () => {
    const gateway = await enrolled();
    const response = await gateway.ask("capture", "POST /v1/subjects/ann/verify", { body: formOf({ image: ann }) });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "REQUEST_INVALID" } });
  });

  test("a request that is played again is refused, also with other captures or to another call", async () => {
    const gateway = await enrolled();
    const nonce = await gateway.challenge("capture");
    expect((await gateway.verify("ann", { image: ann, nonce })).status).toBe(200);
    for (const again of [
      gateway.verify("ann", { image: ann, nonce }),
      gateway.verify("ben", { image: ben, nonce }),
      gateway.identify({ image: ann, nonce }),
    ]) {
      const response = await again;
      expect(response.status).toBe(409);
      expect(await response.json()).toMatchObject({ error: { code: "NONCE_USED" } });
    }
  });

  test("one that ran out, is another caller's, or is of another gateway is refused", async () => {
    const gateway = await enrolled();
    const late = await gateway.challenge("capture");
    gateway.clock.ms += 60_000;
    const foreign = await gateway.challenge("operator");
    const elsewhere = await scriptedGateway().challenge("capture");
    for (const nonce of [late, foreign, elsewhere, "", "abc", `${await gateway.challenge("capture")}=`]) {
      const response = await gateway.verify("ann", { image: ann, nonce });
      expect(response.status).toBe(400);
    }
  });

  test("one that is bound to captures holds for no others", async () => {
    const gateway = await enrolled();
    const digest = await digestOf({ image: ann, audio: ann });
    expect(
      (await gateway.verify("ann", { image: ann, audio: ann, nonce: await gateway.challenge("capture", { digest }) })).status,
    ).toBe(200);
    expect(
      (
        await gateway.verify("ann", {
          image: { ...ann, take: 2 },
          audio: ann,
          nonce: await gateway.challenge("capture", { digest }),
        })
      ).status,
    ).toBe(400);
    for (const body of [{ digest: "short" }, { digest: 1 }]) {
      expect((await gateway.ask("capture", "POST /v1/challenge", { body: JSON.stringify(body) })).status).toBe(400);
    }
  });

  /** As a caller computes it. */
  async function digestOf(form: ScriptedForm): Promise<string> {
    const data = formOf(form);
    const each = [...data.getAll("image"), ...data.getAll("audio")] as Blob[];
    const digests = await Promise.all(each.map(async (blob) => crypto.subtle.digest("SHA-256", await blob.arrayBuffer())));
    const all = await crypto.subtle.digest("SHA-256", await new Blob(digests).arrayBuffer());
    return Buffer.from(all).toString("base64url");
  }
});

describe("retries", () => {
  test("poor captures have a rate of their own", async () => {
    const gateway = await enrolled({ limits: { retriesPerMinute: 3 } });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await gateway.verify("ann", { image: { ...ann, poor: "blurred" } })).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    expect((await gateway.verify("ann", { image: ann })).status).toBe(200);
  });
});

describe("forms", () => {
  const send = async (body: NonNullable<RequestInit["body"]>, headers: Record<string, string> = {}) => {
    const gateway = await enrolled();
    return (await gateway.ask("capture", "POST /v1/subjects/ann/verify", { body, headers })).status;
  };

  test("other content types are 415, broken forms 400, other files 415", async () => {
    expect(await send("hello")).toBe(415);
    expect(await send("{}", { "content-type": "application/json" })).toBe(415);
    expect(await send("x", { "content-type": "multipart/form-data" })).toBe(400);
    expect(await send("x", { "content-type": "multipart/form-data; boundary=b" })).toBe(400);
    const form = new FormData();
    form.append("image", new Blob(["GIF89a"]));
    expect(await send(form)).toBe(415);
    const sound = formOf({ audio: ann }).get("audio") as Blob;
    const crossed = new FormData();
    crossed.append("image", sound);
    expect(await send(crossed)).toBe(415);
    const unknown = formOf({ image: ann });
    unknown.append("surprise", "1");
    expect(await send(unknown)).toBe(400);
    expect(await send(formOf({ image: [ann, ann] }))).toBe(400);
    expect(await send(formOf({ nonce: "x" }))).toBe(400);
  });

  test("a body beyond the limit is 413, told before and told by counting", async () => {
    const gateway = await enrolled({ limits: { maxBodyBytes: 10_000 } });
    const form = formOf({ image: ann });
    form.append("image", new Blob([new Uint8Array(20_000)]));
    const known = await gateway.ask("capture", "POST /v1/identify", { body: form });
    expect(known.status).toBe(413);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1000;
        controller.enqueue(new Uint8Array(1000));
      },
    });
    const streamed = await gateway.ask("capture", "POST /v1/identify", {
      body: endless,
      duplex: "half",
      headers: { "content-type": "multipart/form-data; boundary=b" },
    } as RequestInit);
    expect(streamed.status).toBe(413);
    expect(sent).toBeLessThan(20_000);
  });

  test("requests together take no more memory than they may, and give it back, also those that fail", async () => {
    const gateway = await enrolled({ limits: { maxHeldBytes: 5000 } });
    for (let i = 0; i < 20; i++) {
      expect((await gateway.verify("ann", { image: ann })).status).toBe(200);
      const broken = await gateway.ask("capture", "POST /v1/identify", {
        body: new Uint8Array(1000),
        headers: { "content-type": "multipart/form-data; boundary=b" },
      });
      expect(broken.status).toBe(400);
    }
    const hold = (): ReadableStream<Uint8Array> =>
      new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(3000)) });
    const init = { headers: { "content-type": "multipart/form-data; boundary=b" }, duplex: "half" };
    const waiting = gateway.ask("capture", "POST /v1/identify", { ...init, body: hold() } as RequestInit);
    await new Promise((resolve) => setImmediate(resolve));
    const refused = await gateway.ask("capture", "POST /v1/identify", { ...init, body: hold() } as RequestInit);
    expect(refused.status).toBe(503);
    expect(await Promise.race([waiting, "still reading"])).toBe("still reading");
  });

  test("a capture that the gateway has no models for is the caller's mistake", async () => {
    const { scriptedPipeline } = await import("@tessera/testkit/gateway-parts");
    const gateway = scriptedGateway({ pipeline: scriptedPipeline({ modalities: ["face"] }) });
    expect((await gateway.verify("ann", { audio: ann })).status).toBe(400);
  });
});
