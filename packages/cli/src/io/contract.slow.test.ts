import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type FaceEmbeddingCard, faceDetectorCard, faceEmbeddingCard } from "@tessera/core/modality/card";
import { acquireFaces } from "@tessera/core/modality/face/acquire";
import { type ContractTest, testContract } from "@tessera/core/modality/face/contract-test";
import type { FaceCrops } from "@tessera/core/modality/face/crops";
import { readImage } from "@tessera/media/images";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardOf } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { beforeAll, describe, expect, test } from "vitest";

const shared = sharedDir();

describe.skipIf(shared === undefined)("the pre-processing of a real face model (needs ../shared)", () => {
  let crops: FaceCrops;
  let subjects: string[];
  const card = faceEmbeddingCard(cardOf("mobilefacenet-foamliu-128"));

  async function session(path: string): ReturnType<Awaited<ReturnType<typeof ortNodeRuntime>>["load"]> {
    const runtime = await ortNodeRuntime({ worker: false });
    return runtime.load(readFileSync(join(shared ?? "", "models", path)));
  }

  async function judge(declared: FaceEmbeddingCard): Promise<ContractTest> {
    return testContract(
      { session: await session("face-embedding/mobilefacenet-foamliu-128.onnx"), card: declared },
      { crops, subjects },
    );
  }

  beforeAll(async () => {
    const rows = readFileSync(join(shared ?? "", "data/lfw/manifest.csv"), "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((row) => row.split(","));
    const count = new Map<string, number>();
    for (const [, person = ""] of rows) count.set(person, (count.get(person) ?? 0) + 1);
    const chosen = rows.filter(([, person = "", , role]) => role === "eval" && (count.get(person) ?? 0) > 1).slice(0, 300);
    subjects = chosen.map(([, person = ""]) => person);
    const detector = { session: await session("face-detection/yunet-n-320.onnx"), card: faceDetectorCard(cardOf("yunet-n-320")) };
    const sources = chosen.map(([path = ""]) => ({ name: path, load: () => readImage(join(shared ?? "", "data/lfw", path)) }));
    crops = await acquireFaces({ detector, card }, sources, { choice: "central" });
    expect(crops.failures).toEqual([]);
  });

  test("the documented one is not questioned", async () => {
    const result = await judge(card);
    expect(result.verdict).not.toBe("questioned");
    expect(result.variants.find((v) => v.name === "0..255, RGB")?.verdict).toBe("worse");
  });

  test("the wrong colour order is questioned", async () => {
    const result = await judge({ ...card, input: { ...card.input, colour: "BGR" } });
    expect(result.verdict).toBe("questioned");
    expect(result.says).toContain("declared scaling, RGB");
  });

  test("x / 255 without mean and std is questioned", async () => {
    const result = await judge({ ...card, input: { ...card.input, mean: [0, 0, 0], std: [1, 1, 1] } });
    expect(result.verdict).toBe("questioned");
    expect(result.says).toContain("ImageNet mean and std, RGB");
  });
});
