import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardPath } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { tensorType } from "../../graph/model.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, type Tensor, view } from "../../graph/tensor.ts";
import { parseCard } from "../read-card.ts";
import {
  embedKeystrokes,
  evaluateEmbedder,
  galleryDistance,
  type KeystrokeEmbedder,
  keystrokeEmbeddingCard,
} from "./embed-keystrokes.ts";
import { keySequence } from "./key-sequence.ts";
import { type KeystrokeSet, stackRows } from "./samples.ts";

const shared = sharedDir();
const typenet = keystrokeEmbeddingCard(parseCard(readFileSync(cardPath("typenet-triplet-m50-128"))));

/** A "network" whose embedding is the first two holds of each sequence; notes how many sequences came at once. */
function holds(batch: number | string): { readonly embedder: KeystrokeEmbedder; readonly sizes: number[] } {
  const sizes: number[] = [];
  const card = { ...typenet, input: { ...typenet.input, shape: [3, 5] }, output: { ...typenet.output, dimension: 2 } };
  const unused = () => Promise.reject(new Error("not used"));
  const session: Session = {
    inputs: [{ name: "keystrokes", type: tensorType("float32", [batch, 3, 5]) }],
    outputs: [],
    run: async (feeds) => {
      const fed = feeds.get("keystrokes") as Tensor;
      const count = fed.shape[0] as number;
      sizes.push(count);
      const values = view(fed, "float32");
      const rows = Array.from({ length: count }, (_, i) => [values[i * 15] as number, values[i * 15 + 5] as number]);
      return new Map([["embedding", f32([count, 2], rows.flat())]]);
    },
    time: unused,
    close: async () => {},
  };
  return { embedder: { session, card }, sizes };
}

describe("embedding keystrokes", () => {
  it("runs batches of at most 64 where the model leaves it open, one by one where it takes one", async () => {
    const sequences = Array.from({ length: 130 }, (_, i) => new Float32Array(15).fill(i));
    for (const [batch, sizes] of [
      ["N", [64, 64, 2]],
      [1, Array(130).fill(1)],
    ] as const) {
      const made = holds(batch);
      const embeddings = await embedKeystrokes(made.embedder, sequences);
      expect(made.sizes).toEqual(sizes);
      expect(embeddings.map((e) => [...e])).toEqual(sequences.map((s) => [s[0], s[5]]));
    }
  });

  it("refuses sequences of another length and cards of something else", async () => {
    await expect(embedKeystrokes(holds("N").embedder, [new Float32Array(250)])).rejects.toThrow(/takes 3 keys of 5/);
    const face = parseCard(readFileSync(cardPath("mobilefacenet-foamliu-128")));
    expect(() => keystrokeEmbeddingCard(face)).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
    const cosine = { ...typenet, output: { ...typenet.output, metric: "cosine" as const } };
    expect(() => keystrokeEmbeddingCard(cosine)).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
  });

  it("scores by the mean distance to the gallery, not by the distance to its mean", () => {
    const gallery = [
      [0, 3],
      [0, -3],
    ];
    expect(galleryDistance(gallery, [0, 0])).toBe(3);
    expect(galleryDistance(gallery, [4, 0])).toBe(5);
  });

  it("tells apart people whose holds differ, by the protocol of the detectors", async () => {
    const random = seededRandom(3);
    const set: KeystrokeSet = {
      kind: "keystroke-set",
      name: "made",
      features: (["hold", "down-down", "hold", "down-down", "hold"] as const).map((kind, i) => ({ name: `${i}`, kind })),
      subjects: [0.1, 0.2, 0.3].map((hold, i) => ({
        id: `s${i}`,
        samples: stackRows(Array.from({ length: 8 }, () => [hold + 0.005 * random.normal(), 0.4, hold, 0.4, hold])),
      })),
    };
    const { users, eer } = await evaluateEmbedder(holds("N").embedder, set, {
      keyCodes: [65, 66, 67],
      protocol: { train: 4, impostors: 2 },
    });
    expect(users.map((u) => [u.genuine, u.impostor])).toEqual([
      [4, 4],
      [4, 4],
      [4, 4],
    ]);
    expect(eer.mean).toBe(0);
  });

  it.skipIf(shared === undefined)(
    "runs TypeNet (needs ../shared): zeros give the known vector, and padding has no influence",
    async () => {
      const bytes = readFileSync(join(shared ?? "", "models/keystroke/typenet-triplet-m50-128.onnx"));
      const session = await (await ortNodeRuntime({ worker: false })).load(bytes);
      const embedder: KeystrokeEmbedder = { session, card: typenet };
      const random = seededRandom(8);
      const typed = Array.from({ length: 20 }, (_, i) => {
        const pressSeconds = 0.2 * i + 0.05 * random.next();
        return { pressSeconds, releaseSeconds: pressSeconds + 0.08 + 0.04 * random.next(), keyCode: 65 + i };
      });
      const [zeros, alone] = await embedKeystrokes(embedder, [new Float32Array(250), keySequence(typed, { length: 50 })]);
      [0.03173, -0.03235, -0.08161].forEach((expected, i) => {
        expect(zeros?.[i]).toBeCloseTo(expected, 4);
      });
      expect(alone).toHaveLength(128);
      // What stands in the padding rows beyond their hold of 0 is not looked at.
      const dirty = keySequence(typed, { length: 50 });
      for (let row = 20; row < 50; row++) dirty[row * 5 + 2] = 9;
      const [same] = await embedKeystrokes(embedder, [dirty]);
      expect(galleryDistance([same ?? []], alone ?? [])).toBeLessThan(1e-5);
      await session.close();
    },
  );
});
