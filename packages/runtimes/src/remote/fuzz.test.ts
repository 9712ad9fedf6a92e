import { createHash } from "node:crypto";
import { connect } from "node:net";
import { isTesseraError } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import type { Runtime } from "@tessera/core/graph/runtime";
import { f32 } from "@tessera/core/graph/tensor";
import { mutate } from "@tessera/testkit/mutate";
import { addFile } from "@tessera/testkit/runtime-models";
import { expect, test } from "vitest";
import { readHardware } from "../hardware.ts";
import { startAgent } from "./agent.ts";
import { WORK } from "./agent-work.ts";
import { connectDevice } from "./connect.ts";
import { decodeFrame, encodeFrame, type Frame } from "./frame.ts";
import { leaseOffice } from "./lease.ts";
import { AGENT_LIMITS } from "./limits.ts";
import { recordAt } from "./wire.ts";

const MODEL = addFile();
const SHA256 = createHash("sha256").update(MODEL).digest("hex");
const TENSORS = [{ name: "x", dtype: "float32", shape: [1, 3], blobs: [0] }];
const DATA = new Uint8Array(12);
const LIMITS = { ...AGENT_LIMITS, modelBytes: 1 << 16, runs: 64, sessions: 4 };

/** A message of every kind, as it should be. */
const MESSAGES: readonly (readonly [string, Frame])[] = [
  ["missing", { head: { digests: [SHA256] }, blobs: [] }],
  ["put", { head: { sha256: SHA256 }, blobs: [MODEL] }],
  [
    "open",
    {
      head: { runtime: "ort-node", model: SHA256, external: [["w.bin", SHA256]], options: { threads: 1, dims: [["N", 1]] } },
      blobs: [],
    },
  ],
  ["run", { head: { session: 1, tensors: TENSORS }, blobs: [DATA] }],
  ["run", { head: { session: 1, tensors: [{ name: "s", dtype: "string", shape: [2], blobs: [0, 1] }] }, blobs: [DATA, DATA] }],
  ["time", { head: { session: 1, runs: 2, warmup: 1, tensors: TENSORS }, blobs: [DATA] }],
  ["race", { head: { contestants: [{ session: 1, tensors: TENSORS }], rounds: 2, runs: 2, warmup: 0, seed: 1 }, blobs: [DATA] }],
  ["profile", { head: { session: 1, runs: 2, tensors: TENSORS }, blobs: [DATA] }],
  ["close", { head: { session: 1 }, blobs: [] }],
];

/** A runtime that computes nothing: what is tried here is the way to it. */
function idle(): Runtime & { opened(): number } {
  let count = 0;
  return {
    id: "ort-node",
    version: "0",
    formats: ["onnx"],
    opened: () => count,
    async load() {
      count++;
      return {
        inputs: [],
        outputs: [],
        run: async (feeds) => feeds,
        time: async (_, { runs }) => ({ wallMs: Array<number>(runs).fill(1), cpuMs: 1 }),
        profile: async (_, runs) => ({ runtime: "ort-node", runs, operators: [], totalUs: 0 }),
        close: async () => {},
      };
    },
  };
}

test("2,000 damaged messages are answered, or refused with a code, and never do more than the limits allow", async () => {
  const random = seededRandom(20);
  const runtime = idle();
  const lease = leaseOffice(LIMITS, () => {}).take();
  const good = MESSAGES.map(([, frame]) => encodeFrame(frame));
  const codes = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    const [path, frame] = MESSAGES[i % MESSAGES.length] as (typeof MESSAGES)[number];
    // Whole blocks of bytes change the frame; one changed word of the JSON gets farther in.
    const bytes = i % 2 === 0 ? mutate(encodeFrame(frame), random, { donors: good }).bytes : reworded(frame, random);
    if (lease.sessions.size === 0) lease.sessions.set(1, await runtime.load(MODEL));
    let code = "answered";
    try {
      const { head, blobs } = decodeFrame(bytes);
      await WORK[path]?.({ runtimes: [runtime], limits: LIMITS, lease, head: recordAt(head, "the head"), blobs });
    } catch (error) {
      if (!isTesseraError(error)) throw error;
      code = error.code;
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
    expect(lease.sessions.size).toBeLessThanOrEqual(LIMITS.sessions);
  }
  for (const code of ["answered", "MALFORMED", "RUNTIME_FAILED", "LIMIT_EXCEEDED", "DATA_MISSING", "SHAPE_MISMATCH"])
    expect(codes.get(code) ?? 0, `${code} among ${JSON.stringify([...codes])}`).toBeGreaterThan(0);
});

/** The message with one value of its JSON replaced by a telling one. */
function reworded(frame: Frame, random: ReturnType<typeof seededRandom>): Uint8Array {
  const head = structuredClone(frame.head) as Record<string, unknown>;
  const places: [Record<string, unknown>, string][] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      places.push([value as Record<string, unknown>, key]);
      walk((value as Record<string, unknown>)[key]);
    }
  };
  walk(head);
  const [holder, key] = places[random.int(places.length)] as (typeof places)[number];
  const values = [
    -1,
    0,
    1.5,
    1e9,
    2 ** 53,
    "",
    "x",
    "__proto__",
    "../../etc/hosts",
    null,
    [],
    {},
    true,
    [[]],
    "string",
    [2 ** 40, 2 ** 40],
  ];
  holder[key] = values[random.int(values.length)];
  return encodeFrame({ head, blobs: frame.blobs });
}

test("damaged HTTP leaves the agent as it was", async () => {
  const token = "Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHNlY3JldA";
  const hardware = await readHardware();
  const agent = await startAgent({ host: "127.0.0.1", port: 0, token, version: "1", hardware, runtimes: [idle()] });
  const random = seededRandom(21);
  const body = encodeFrame({ head: { protocol: 1 }, blobs: [] });
  const head = `POST /v1/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nX-Tessera-Lease: x\r\nContent-Length: ${body.length}\r\n\r\n`;
  const message = new Uint8Array([...new TextEncoder().encode(head), ...body]);
  for (let i = 0; i < 100; i++) {
    await new Promise<void>((resolve) => {
      const socket = connect(agent.port, agent.host, () => socket.end(mutate(message, random).bytes));
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.resume();
    });
  }
  const device = await connectDevice({ ...agent, token });
  const session = await device.runtime("ort-node").load(MODEL);
  expect([...(await session.run(new Map([["x", f32([1], [2])]]))).keys()]).toEqual(["x"]);
  await device.close();
  await agent.close();
});
