import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { tensorType } from "../../graph/model.ts";
import { f32, view } from "../../graph/tensor.ts";
import { imageOf } from "../../signal/image.ts";
import type { FaceEmbeddingCard } from "../card.ts";
import { changeCrops, GEOMETRY_VARIANTS, type GeometryVariant } from "./contract-geometry.ts";
import { testContract } from "./contract-test.ts";
import { cropsOf, type FaceCrops } from "./crops.ts";
import type { FaceEmbedder } from "./embed.ts";

const SIZE = 8;
const PEOPLE = 50;
const EACH = 3;
const variant = (start: string): GeometryVariant => GEOMETRY_VARIANTS.find((v) => v.name.startsWith(start)) ?? expect.fail(start);

/** Pictures whose upper half shows who it is, and whose lower half shows anything. */
function faces(): { readonly crops: FaceCrops; readonly subjects: readonly string[] } {
  const random = seededRandom(8);
  const grey = (v: number): number => Math.max(0, Math.min(255, Math.round(127 + 40 * v)));
  const images = [];
  const subjects = [];
  for (let p = 0; p < PEOPLE; p++) {
    const own = Array.from({ length: (SIZE * SIZE * 3) / 2 }, () => random.normal());
    for (let k = 0; k < EACH; k++) {
      const upper = own.map((v) => grey(v + 0.8 * random.normal()));
      const lower = own.map(() => grey(random.normal()));
      images.push(imageOf(SIZE, SIZE, 3, Uint8Array.from([...upper, ...lower])));
      subjects.push(`person ${p}`);
    }
  }
  return {
    crops: cropsOf(
      images,
      images.map((_, i) => `${i}.png`),
    ),
    subjects,
  };
}

/** A network that looks at the upper half only. */
const embedder: FaceEmbedder = {
  card: {
    kind: "card",
    version: 1,
    name: "upper",
    modality: "face",
    task: "embedding",
    input: {
      kind: "image",
      tensor: "x",
      width: SIZE,
      height: SIZE,
      placement: { kind: "align", template: "arcface-112" },
      ...{ layout: "NHWC", colour: "RGB", scale: 1, mean: [127, 127, 127], std: [128, 128, 128] },
    },
    output: { kind: "embedding", tensor: "y", dimension: (SIZE * SIZE * 3) / 2, metric: "cosine", normalised: false },
    thresholds: [],
    licence: "none",
    provenance: "this test",
  } satisfies FaceEmbeddingCard,
  session: {
    inputs: [{ name: "x", type: tensorType("float32", ["N", SIZE, SIZE, 3]) }],
    outputs: [],
    run: (feeds) => {
      const x = feeds.get("x") ?? expect.fail("x");
      const [rows = 0] = x.shape;
      const half = (SIZE * SIZE * 3) / 2;
      const out = new Float32Array(rows * half);
      for (let i = 0; i < rows; i++) out.set(view(x, "float32").subarray(2 * i * half, 2 * i * half + half), i * half);
      return Promise.resolve(new Map([["y", f32([rows, half], out)]]));
    },
    time: () => Promise.resolve({ wallMs: [], cpuMs: 0 }),
    close: () => Promise.resolve(),
  },
};

describe("other ways of cutting faces out", () => {
  test("turn pictures exactly: a quarter back and forth, twice upside down, and four quarters change nothing", () => {
    const { crops } = faces();
    const [right, left, down] = ["turned a quarter to the right", "turned a quarter to the left", "upside down"].map(variant) as [
      GeometryVariant,
      GeometryVariant,
      GeometryVariant,
    ];
    const turn = (...turns: readonly GeometryVariant[]): Uint8Array => turns.reduce(changeCrops, crops).data;
    expect(turn(right, left)).toEqual(crops.data);
    expect(turn(right, right)).toEqual(turn(down));
    expect(turn(down, down)).toEqual(crops.data);
    expect(turn(right)).not.toEqual(crops.data);
    // To the right: what was at the bottom left comes to the top left.
    const at = (data: Uint8Array, x: number, y: number): number => data[(y * SIZE + x) * 3] as number;
    expect(at(turn(right), 0, 0)).toBe(at(crops.data, 0, SIZE - 1));
  });

  test("find pictures that lie upside down, and say so with an interval; upright ones are not questioned", async () => {
    const { crops, subjects } = faces();
    const options = { geometry: true, replicates: 100 };
    const upright = await testContract(embedder, { crops, subjects }, options);
    expect(upright.verdict).not.toBe("questioned");
    expect(upright.variants.filter((v) => GEOMETRY_VARIANTS.some((g) => g.name === v.name))).toHaveLength(8);
    const turned = await testContract(embedder, { crops: changeCrops(crops, variant("upside down")), subjects }, options);
    expect(turned.verdict).toBe("questioned");
    const [best] = turned.variants;
    expect(best).toMatchObject({ name: "upside down (EXIF)", verdict: "better" });
    expect(best?.dPrimeGain.interval.low).toBeGreaterThan(0);
    expect(turned.says).toContain("upside down (EXIF)");
  });

  test("are tried only when asked for", async () => {
    const plain = await testContract(embedder, faces(), { replicates: 20 });
    expect(plain.variants.map((v) => v.name).filter((name) => name.includes("EXIF"))).toEqual([]);
  });
});
