import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { printCard } from "@tessera/core/modality/read-card";
import { cardOf } from "@tessera/testkit/cards";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cardOrNone, findCard, findCardPath } from "./card-file.ts";
import { readBytes, sha256, writeFile } from "./files.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("writing", () => {
  test("text, bytes and chunks arrive whole, folders are made, and nothing else is left", () => {
    const path = join(folder, "a/b/c.txt");
    writeFile(path, "ψηφίς");
    expect(readFileSync(path, "utf8")).toBe("ψηφίς");
    writeFile(path, [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]);
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    expect(readdirSync(join(folder, "a/b"))).toEqual(["c.txt"]);
  });

  test("when the content breaks off, the old file stands and no part is left", () => {
    const path = join(folder, "kept.bin");
    writeFile(path, Uint8Array.of(7));
    function* broken(): Generator<Uint8Array> {
      yield new Uint8Array(1 << 16);
      throw new Error("the source broke off");
    }
    expect(() => writeFile(path, broken())).toThrow(expect.objectContaining({ code: "IO" }));
    expect([...readFileSync(path)]).toEqual([7]);
    expect(readdirSync(folder)).toEqual(["kept.bin"]);
  });

  test("a name that is a folder is refused with IO, and no part is left", () => {
    mkdirSync(join(folder, "taken"));
    expect(() => writeFile(join(folder, "taken"), "x")).toThrow(expect.objectContaining({ code: "IO" }));
    expect(readdirSync(folder)).toEqual(["taken"]);
  });
});

describe("reading", () => {
  test("what is missing is IO and names the file", () => {
    const path = join(folder, "none");
    expect(() => readBytes(path)).toThrow(expect.objectContaining({ code: "IO", at: { file: path } }));
  });

  test("bytes are a plain array: a slice of them is a copy", () => {
    const path = join(folder, "x");
    writeFile(path, new Uint8Array(1 << 14));
    const bytes = readBytes(path);
    bytes.slice(0, 4).fill(9);
    expect(bytes[0]).toBe(0);
  });

  test("a digest is that of the standard", () => {
    expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
});

describe("cards", () => {
  const card = printCard(cardOf("mobilefacenet-foamliu-128"));

  test("the one named comes first, then the one beside the model, then the folder of cards", () => {
    const model = join(folder, "models/face.onnx");
    const cards = join(folder, "cards");
    writeFile(join(cards, "face.card.json"), card.replace("mobilefacenet-foamliu-128", "from the folder"));
    expect(findCard(model, { cards }).name).toBe("from the folder");
    writeFile(join(folder, "models/face.card.json"), card.replace("mobilefacenet-foamliu-128", "beside"));
    expect(findCard(model, { cards }).name).toBe("beside");
    writeFile(join(folder, "named.json"), card);
    expect(findCard(model, { cards, card: join(folder, "named.json") }).name).toBe("mobilefacenet-foamliu-128");
  });

  test("a card under another name is found in the folder by the digest of the model, and files that are no JSON are passed over", () => {
    const [model, cards] = [join(folder, "renamed.onnx"), join(folder, "digests")];
    writeFile(model, "the bytes");
    writeFile(join(cards, "a.card.json"), "no json");
    writeFile(join(cards, "b.card.json"), card);
    expect(() => findCard(model, { cards })).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
    writeFile(
      join(cards, "c.card.json"),
      printCard({ ...cardOf("mobilefacenet-foamliu-128"), modelSha256: sha256("the bytes") }),
    );
    expect(findCardPath(model, { cards })).toBe(join(cards, "c.card.json"));
    expect(cardOrNone(model, { cards })?.name).toBe("mobilefacenet-foamliu-128");
    expect(cardOrNone(model, {})).toBeUndefined();
  });

  test("where the model itself is not there, that is what is said", () => {
    expect(() => findCard(join(folder, "misspelt.onnx"), {})).toThrow(
      expect.objectContaining({ code: "IO", message: expect.stringContaining("misspelt.onnx") }),
    );
  });

  test("a card that is nowhere is CARD_INVALID and says where it was looked for; one that was named is not replaced by another", () => {
    const model = join(folder, "face.onnx");
    writeFile(model, "a model");
    expect(() => findCard(model, {})).toThrow(
      expect.objectContaining({ code: "CARD_INVALID", message: expect.stringContaining("face.card.json") }),
    );
    writeFile(join(folder, "face.card.json"), card);
    expect(() => findCard(model, { card: join(folder, "other.json") })).toThrow(
      expect.objectContaining({ code: "CARD_INVALID" }),
    );
  });
});
