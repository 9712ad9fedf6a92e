import type { ModelCard } from "@tessera/core/modality/card";
import { readCard } from "@tessera/core/modality/read-card";
import { templateThreshold } from "@tessera/core/modality/template-threshold";
import type { CompatibilityCell, CompatibilityMatrix, CompatibilityPoint, TemplateVerdict } from "@tessera/core/protocol/report";
import { describe, expect, test } from "vitest";
import { cardCompatibility, classSpaces } from "./card-compatibility.ts";

const estimate = (value: number) => ({
  value,
  low: value - 0.01,
  high: value + 0.01,
  confidence: 0.95,
  method: "subject-bootstrap",
});

function point(far: number, verdict: TemplateVerdict, threshold = 0.3): CompatibilityPoint {
  const inUse = { threshold: 0.31, tar: 0.9, realisedFar: far };
  return { far, tar: estimate(0.9), threshold, drop: estimate(0.001), inUse, genuine: 100, impostor: 10_000, verdict };
}

function cell(
  verdict: TemplateVerdict,
  points: readonly CompatibilityPoint[],
  mapped: readonly CompatibilityPoint[] = [],
): CompatibilityCell {
  const adapter = {
    kind: "orthogonal",
    sizeBytes: 64,
    samples: 300,
    points: mapped,
    suffices: verdict === "adapter suffices",
    tried: [],
  } as const;
  return { verdict, points, ...(mapped.length > 0 ? { adapter } : {}) };
}

const stay = cell("templates stay", [point(1e-3, "templates stay")]);
const models = ["new", "old", "turned", "foreign"];
const column = [
  stay,
  cell("re-fit threshold", [point(1e-3, "templates stay", 0.33), point(1e-4, "re-fit threshold", 0.4)]),
  cell("adapter suffices", [point(1e-3, "re-enrol", 0.6)], [point(1e-3, "re-fit threshold", 0.35)]),
  cell("re-enrol", []),
];
const matrix: CompatibilityMatrix = {
  far: 1e-3,
  models,
  cells: models.map((_, i) => models.map((_m, j) => (i === j ? stay : j === 0 ? (column[i] ?? stay) : cell("re-enrol", [])))),
  verdict: "",
};
const galleries = models.map((name, i) => ({ name, spaces: [`space of ${name}`], sha256: `${i}`.repeat(64) }));
const dataset = { name: "d", sha256: "a".repeat(64) };
const adapter = (gallery: string) =>
  gallery === "turned" ? { file: "turned-to-new.adapter", sha256: "b".repeat(64) } : undefined;

describe("what a card says of other models' templates", () => {
  const rows = cardCompatibility("new", { matrix, galleries, dataset, adapter });

  test("is a row for each model and FAR, with the threshold of that very mixture", () => {
    expect(rows.map(({ gallerySpace, far, verdict, threshold }) => [gallerySpace, far, verdict, threshold])).toEqual([
      ["space of old", 1e-3, "templates stay", 0.33],
      ["space of old", 1e-4, "re-fit threshold", 0.4],
      ["space of turned", 1e-3, "adapter suffices", 0.35],
      ["space of foreign", 1e-3, "re-enrol", undefined],
    ]);
  });

  test("goes through a card's file and tells a device what to do", () => {
    const card: ModelCard = readCard({
      version: 1,
      name: "new",
      modality: "face",
      task: "embedding",
      input: { kind: "features", tensor: "x", shape: [4], features: "samples" },
      output: { kind: "embedding", tensor: "y", dimension: 4, metric: "cosine", normalised: true },
      licence: "none",
      provenance: "test",
      embeddingSpace: "space of new",
      compatibility: JSON.parse(JSON.stringify(rows)) as unknown,
    });
    const use = (space: string) => templateThreshold(card, { space }, 1e-3);
    expect(use("space of old")).toEqual({ kind: "compare", threshold: 0.33 });
    expect(use("space of turned")).toMatchObject({
      kind: "compare",
      threshold: 0.35,
      adapter: { file: "turned-to-new.adapter" },
    });
    expect(use("space of foreign")).toMatchObject({ kind: "refuse" });
  });

  test("counts an adapter that was not written for nothing", () => {
    const [, , turned] = cardCompatibility("new", { matrix, galleries, dataset });
    expect(turned).toMatchObject({ gallerySpace: "space of turned", verdict: "re-enrol", evidence: { tar: 0.9 } });
    expect(turned?.threshold).toBeUndefined();
  });

  test("holds for every name that the gallery's space had", () => {
    const named = galleries.map((g) => (g.name === "old" ? { ...g, spaces: ["space of old", "first training"] } : g));
    const both = cardCompatibility("new", { matrix, galleries: named, dataset });
    expect(both.filter(({ gallerySpace }) => gallerySpace === "first training")).toHaveLength(2);
  });
});

describe("models share a space id", () => {
  const mixing = (pairs: readonly string[]): CompatibilityMatrix => ({
    ...matrix,
    models: ["a", "b", "c"],
    cells: ["a", "b", "c"].map((i) =>
      ["a", "b", "c"].map((j) => (i === j || pairs.includes(i + j) ? stay : cell("re-fit threshold", []))),
    ),
  });
  const named = ["a", "b", "c"].map((name) => ({ name, space: `id ${name}` }));

  test("where templates were measured to mix in both directions, with the first of them", () => {
    expect(classSpaces(named, mixing(["ab", "ba"]))).toEqual(["id a", "id a", "id c"]);
    expect(classSpaces(named, mixing(["ab"]))).toEqual(["id a", "id b", "id c"]);
    expect(classSpaces(named, undefined)).toEqual(["id a", "id b", "id c"]);
  });

  test("not by way of a third one, and always where the content is the same", () => {
    expect(classSpaces(named, mixing(["ab", "ba", "bc", "cb"]))).toEqual(["id a", "id a", "id c"]);
    expect(
      classSpaces(
        [named[0], { name: "b", space: "id a" }, named[2]].flatMap((m) => m ?? []),
        undefined,
      ),
    ).toEqual(["id a", "id a", "id c"]);
  });
});
