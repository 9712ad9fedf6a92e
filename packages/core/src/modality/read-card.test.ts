import { readFileSync } from "node:fs";
import { cardNames, cardOf, cardPath } from "@tessera/testkit/cards";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTesseraError } from "../base/error.ts";
import { faceDetectorCard, faceEmbeddingCard, imageClassCard } from "./card.ts";
import { MAX_CARD_BYTES, parseCard, printCard, readCard } from "./read-card.ts";

type Json = { [key: string]: unknown };

function good(): Json {
  return {
    version: 1,
    name: "face",
    modality: "face",
    task: "embedding",
    input: {
      kind: "image",
      tensor: "x",
      width: 112,
      height: 112,
      layout: "NCHW",
      colour: "RGB",
      scale: 255,
      mean: [0.5, 0.5, 0.5],
      std: 0.5,
      placement: { kind: "align", template: "arcface-112" },
    },
    output: { kind: "embedding", tensor: "y", dimension: 128, metric: "cosine", normalised: false },
    embeddingSpace: "a",
    thresholds: [
      {
        far: 0.001,
        threshold: 0.33,
        evidence: {
          tar: 0.97,
          interval: [0.96, 0.98],
          confidence: 0.95,
          genuine: 4414,
          impostor: 7_000_000,
          dataset: { name: "lfw", sha256: "A".repeat(64) },
        },
      },
    ],
    licence: "Apache-2.0",
    provenance: "here",
  };
}

/** The good card with one field replaced; `undefined` takes it away. */
function with_(path: string, value: unknown): Json {
  const card = good();
  const steps = path.split(".");
  const last = steps.pop() as string;
  let inside = card;
  for (const step of steps) inside = inside[step] as Json;
  if (value === undefined) delete inside[last];
  else inside[last] = value;
  return card;
}

describe("model cards", () => {
  test("a good card is read, one number standing for every channel", () => {
    const card = faceEmbeddingCard(readCard(good()));
    expect(card.input.std).toEqual([0.5, 0.5, 0.5]);
    expect(card.thresholds[0]?.evidence.dataset.sha256).toBe("a".repeat(64));
    expect(card.input.placement).toEqual({ kind: "align", template: "arcface-112" });
  });

  test("printing and reading gives the same card", () => {
    const card = readCard(good());
    expect(parseCard(new TextEncoder().encode(printCard(card)))).toEqual(card);
  });

  test.each([
    ["version", 2, "version"],
    ["name", "", "name"],
    ["name", "x".repeat(5000), "name"],
    ["modality", "gait", "modality"],
    ["task", "guessing", "task"],
    ["task", "detection", "output"],
    ["input", [], "input"],
    ["input.tensor", undefined, "input.tensor"],
    ["input.width", 0, "input.width"],
    ["input.width", 1e9, "input.width"],
    ["input.width", 112.5, "input.width"],
    ["input.layout", "CHWN", "input.layout"],
    ["input.colour", "rgb", "input.colour"],
    ["input.scale", 0, "input.scale"],
    ["input.scale", "255", "input.scale"],
    ["input.mean", [0, 0], "input.mean"],
    ["input.mean", [0, 0, null], "input.mean[2]"],
    ["input.std", [1, 1, -1], "input.std[2]"],
    ["input.std", 0, "input.std"],
    ["input.meen", 1, "input.meen"],
    ["input.placement", { kind: "align", template: "dlib" }, "input.placement.template"],
    ["input.placement", { kind: "align", points: [[1, 2]] }, "input.placement.points"],
    ["input.placement", { kind: "align", points: Array(5).fill([1, 200]) }, "input.placement.points[0][1]"],
    ["input.placement", { kind: "box" }, "input.placement.expand"],
    ["input.placement", { kind: "box", expand: 2, template: "arcface-112" }, "input.placement.template"],
    ["output.dimension", -1, "output.dimension"],
    ["output.metric", "dot", "output.metric"],
    ["output.normalised", 1, "output.normalised"],
    ["thresholds", {}, "thresholds"],
    ["thresholds", Array(300).fill({}), "thresholds"],
    ["thresholds", [{ far: 2 }], "thresholds[0].evidence"],
    ["modelSha256", "abc", "modelSha256"],
    ["licence", undefined, "licence"],
    ["colour", "RGB", "colour"],
  ])("%s = %j is refused, naming %s", (path, value, field) => {
    expect(() => readCard(with_(path, value))).toThrow(
      expect.objectContaining({ code: "CARD_INVALID", message: expect.stringContaining(`"${field}"`) }),
    );
  });

  describe("with what other models' templates are worth", () => {
    const [{ evidence }] = good()["thresholds"] as [{ evidence: Json }];
    const stays = { gallerySpace: "b", far: 0.001, verdict: "templates stay", threshold: 0.4, evidence };
    const adapter = { file: "old-to-new.adapter", sha256: "b".repeat(64) };
    const read = (row: Json) => readCard(with_("compatibility", [row]));

    test("is read and printed back", () => {
      for (const row of [
        stays,
        { ...stays, verdict: "re-fit threshold", gallerySha256: "c".repeat(64) },
        { ...stays, verdict: "adapter suffices", adapter },
        { gallerySpace: "b", far: 0.001, verdict: "re-enrol" },
        { gallerySpace: "b", far: 0.001, verdict: "re-enrol", evidence },
      ]) {
        const card = read(row);
        expect(card.compatibility?.[0]).toMatchObject({ verdict: row.verdict, gallerySpace: "b" });
        expect(parseCard(new TextEncoder().encode(printCard(card)))).toEqual(card);
      }
    });

    test("has a threshold where one holds, and none where people must enrol again; an adapter where one is needed", () => {
      const { threshold: _t, ...without } = stays;
      const { evidence: _e, ...unproved } = stays;
      for (const [row, names] of [
        [without, "threshold"],
        [unproved, "evidence"],
        [{ ...stays, verdict: "re-enrol" }, "threshold"],
        [{ ...stays, verdict: "adapter suffices" }, "adapter"],
        [{ ...stays, adapter }, "adapter"],
        [{ ...stays, verdict: "adapter suffices", adapter: { ...adapter, file: "../x" } }, "adapter.file"],
        [{ ...stays, verdict: "fine" }, "verdict"],
      ] as const)
        expect(() => read(row as Json)).toThrow(new RegExp(`compatibility\\[0\\].${names}`));
    });

    test("is absent from cards of before", () => {
      expect(readCard(good()).compatibility).toBeUndefined();
    });
  });

  test("an interval the wrong way round is refused", () => {
    const card = good();
    ((card["thresholds"] as Json[])[0]?.["evidence"] as Json)["interval"] = [0.9, 0.1];
    expect(() => readCard(card)).toThrow("thresholds[0].evidence.interval");
  });

  test("prototype keys neither pass nor pollute", () => {
    for (const key of ["__proto__", "constructor", "hasOwnProperty"]) {
      const text = JSON.stringify(good()).replace(/^\{/, `{"${key}":{"polluted":true},`);
      expect(() => parseCard(new TextEncoder().encode(text))).toThrow(
        expect.objectContaining({ code: "CARD_INVALID", message: expect.stringContaining(key) }),
      );
    }
    // A required field must be the object's own, not inherited.
    expect(() => readCard(Object.create(good()))).toThrow('"version" is missing');
    expect(({} as Json)["polluted"]).toBeUndefined();
  });

  test("bytes that are no JSON, no UTF-8 or too many are refused", () => {
    const refused = expect.objectContaining({ code: "CARD_INVALID" });
    expect(() => parseCard(new TextEncoder().encode("{"))).toThrow(refused);
    expect(() => parseCard(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(refused);
    expect(() => parseCard(new Uint8Array(MAX_CARD_BYTES + 1).fill(0x20))).toThrow("more than");
    expect(() => parseCard(new TextEncoder().encode("[".repeat(200_000)))).toThrow(refused);
    expect(() => parseCard(new TextEncoder().encode("null"))).toThrow(refused);
  });

  test("mutated cards are read or refused with CARD_INVALID, nothing else", () => {
    const text = JSON.stringify(good());
    const mutation = fc.tuple(
      fc.nat(text.length - 1),
      fc.constantFrom("{", "}", "[", "]", '"', ",", ":", "0", "-", "e", "null", "1e999", ""),
      fc.nat(8),
    );
    let refused = 0;
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let damaged = text;
        for (const [at, insert, cut] of mutations) damaged = damaged.slice(0, at) + insert + damaged.slice(at + cut);
        try {
          readCard(readCard(JSON.parse(damaged)) && JSON.parse(damaged));
        } catch (error) {
          if (error instanceof SyntaxError) return;
          expect(isTesseraError(error) && error.code).toBe("CARD_INVALID");
          refused++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(50);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => readCard(value)).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
      }),
    );
  });

  test("a card is not mistaken for one of another task", () => {
    const wrong = expect.objectContaining({ code: "CARD_INVALID" });
    expect(() => faceDetectorCard(readCard(good()))).toThrow(wrong);
    expect(() => imageClassCard(readCard(good()))).toThrow(wrong);
    expect(() => faceEmbeddingCard(cardOf("yunet-n-320"))).toThrow(wrong);
    expect(() => faceEmbeddingCard(cardOf("tinysv-dvector-256"))).toThrow(wrong);
    expect(() => faceEmbeddingCard(readCard(with_("input.placement", { kind: "stretch" })))).toThrow(wrong);
  });
});

describe("the cards of the shared models", () => {
  test.each(cardNames())("%s is valid, prints back to itself and is named as its file", (name) => {
    const card = cardOf(name);
    expect(card.name).toBe(name);
    expect(readCard(JSON.parse(printCard(card)))).toEqual(card);
    expect(readFileSync(cardPath(name), "utf8").endsWith("\n")).toBe(true);
  });
});

test("the card printed in docs/model-card.md is a valid card", () => {
  const text = readFileSync(new URL("../../../../docs/model-card.md", import.meta.url), "utf8");
  const example = /```json\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  expect(faceEmbeddingCard(readCard(JSON.parse(example))).input.std).toEqual([128, 128, 128]);
});
