import { fail } from "../base/error.ts";
import type { PixelContract } from "../signal/pixels.ts";
import type {
  CardCompatibility,
  CardEvidence,
  CardThreshold,
  ClassesOutput,
  EmbeddingOutput,
  FacesOutput,
  FeatureInput,
  ImageInput,
  ModelCard,
  Placement,
} from "./card.ts";
import { badField, type Field, flagAt, integerAt, listAt, numberAt, objectAt, sha256At, textAt, wordAt } from "./fields.ts";
import { preparationAt } from "./read-preparation.ts";

/** Largest card file that is read, bytes. */
export const MAX_CARD_BYTES = 1 << 20;

/** Largest side of an input picture that a card may declare, pixels. */
const MAX_SIDE = 8192;

/**
 * Reads a model card from the bytes of its JSON file. Numbers, words and names are checked one by one; an unknown field is refused.
 * @throws CARD_INVALID naming the field.
 */
export function parseCard(bytes: Uint8Array): ModelCard {
  if (bytes.length > MAX_CARD_BYTES) {
    throw fail("CARD_INVALID", `Cannot read the model card: it has ${bytes.length} bytes, more than ${MAX_CARD_BYTES}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail("CARD_INVALID", "Cannot read the model card: it is not JSON in UTF-8", { cause });
  }
  return readCard(value);
}

/** The card as the text of its file. */
export function printCard(card: ModelCard): string {
  const { kind: _, ...fields } = card;
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}

/** Checks a parsed JSON value. @throws CARD_INVALID naming the field. */
export function readCard(value: unknown): ModelCard {
  const card = objectAt({ value, path: "" });
  const version = card.need("version");
  if (version.value !== 1) throw badField(version, "must be 1; a newer card needs a newer Tessera");
  const task = wordAt(card.need("task"), ["embedding", "detection", "liveness", "activity"]);
  const output = outputAt(card.need("output"));
  const wants = task === "embedding" ? "embedding" : task === "detection" ? "faces" : "classes";
  if (output.kind !== wants)
    throw badField(card.need("output"), `is of kind "${output.kind}", but the task "${task}" needs "${wants}"`);
  const space = card.may("embeddingSpace");
  const digest = card.may("modelSha256");
  const notes = card.may("notes");
  const compatibility = card.may("compatibility");
  const result: ModelCard = {
    kind: "card",
    version: 1,
    name: textAt(card.need("name")),
    modality: wordAt(card.need("modality"), ["face", "voice", "keystroke"]),
    task,
    input: inputAt(card.need("input")),
    output,
    thresholds: thresholdsAt(card.may("thresholds")),
    ...(compatibility && { compatibility: compatibilityAt(compatibility) }),
    licence: textAt(card.need("licence")),
    provenance: textAt(card.need("provenance")),
    ...(space && { embeddingSpace: textAt(space) }),
    ...(digest && { modelSha256: sha256At(digest) }),
    ...(notes && { notes: textAt(notes) }),
  };
  card.end();
  return result;
}

function inputAt(field: Field): ImageInput | FeatureInput {
  const input = objectAt(field);
  const kind = wordAt(input.need("kind"), ["image", "features"]);
  const tensor = textAt(input.need("tensor"));
  if (kind === "features") {
    const rate = input.may("sampleRateHz");
    const meaning = input.may("meaning");
    const preparation = input.may("preparation");
    const shape = listAt(input.need("shape"), 1, 8).map((size) => integerAt(size, 1, 1 << 24));
    const sampleRateHz = rate && integerAt(rate, 1, 1_000_000);
    const result: FeatureInput = {
      kind,
      tensor,
      shape,
      features: wordAt(input.need("features"), ["samples", "mfcc", "fbank", "keystroke-timing"]),
      ...(sampleRateHz !== undefined && { sampleRateHz }),
      ...(preparation && { preparation: preparationAt(preparation, { shape, sampleRateHz }) }),
      ...(meaning && { meaning: textAt(meaning) }),
    };
    input.end();
    return result;
  }
  const width = integerAt(input.need("width"), 1, MAX_SIDE);
  const height = integerAt(input.need("height"), 1, MAX_SIDE);
  const colour = wordAt(input.need("colour"), ["RGB", "BGR", "GREY"]);
  const channels = colour === "GREY" ? 1 : 3;
  const pixels: PixelContract = {
    layout: wordAt(input.need("layout"), ["NCHW", "NHWC"]),
    colour,
    scale: positiveAt(input.need("scale")),
    mean: perChannel(input.need("mean"), channels).map((entry) => numberAt(entry)),
    std: perChannel(input.need("std"), channels).map(positiveAt),
  };
  const result: ImageInput = {
    kind,
    tensor,
    width,
    height,
    ...pixels,
    placement: placementAt(input.need("placement"), { width, height }),
  };
  input.end();
  return result;
}

function positiveAt(field: Field): number {
  const value = numberAt(field);
  if (value <= 0) throw badField(field, `is ${value}, not above 0`);
  return value;
}

/** One number stands for every channel. */
function perChannel(field: Field, channels: number): readonly Field[] {
  if (typeof field.value === "number") return Array.from({ length: channels }, () => field);
  return listAt(field, channels, channels);
}

function placementAt(field: Field, size: { readonly width: number; readonly height: number }): Placement {
  const placement = objectAt(field);
  const kind = wordAt(placement.need("kind"), ["align", "box", "stretch", "fit", "pad"]);
  const result = ((): Placement => {
    if (kind === "box") return { kind, expand: numberAt(placement.need("expand"), 0.1, 20) };
    if (kind !== "align") return { kind };
    const template = placement.may("template");
    if (template) return { kind, template: wordAt(template, ["arcface-112"]) };
    const points = listAt(placement.need("points"), 5, 5).map((entry) => {
      const [x, y] = listAt(entry, 2, 2);
      if (x === undefined || y === undefined) throw badField(entry, "must be [x, y]");
      return { x: numberAt(x, 0, size.width), y: numberAt(y, 0, size.height) };
    });
    return { kind, points };
  })();
  placement.end();
  return result;
}

function outputAt(field: Field): EmbeddingOutput | FacesOutput | ClassesOutput {
  const output = objectAt(field);
  const kind = wordAt(output.need("kind"), ["embedding", "faces", "classes"]);
  const result = ((): EmbeddingOutput | FacesOutput | ClassesOutput => {
    if (kind === "embedding") {
      return {
        kind,
        tensor: textAt(output.need("tensor")),
        dimension: integerAt(output.need("dimension"), 1, 65_536),
        metric: wordAt(output.need("metric"), ["cosine", "euclidean"]),
        normalised: flagAt(output.need("normalised")),
      };
    }
    if (kind === "faces") {
      const tensors = output.may("tensors");
      return {
        kind,
        decoder: wordAt(output.need("decoder"), ["yunet", "ultralight", "corners"]),
        ...(tensors && { tensors: listAt(tensors, 0, 32).map(roleAt) }),
      };
    }
    const classes = integerAt(output.need("classes"), 1, 65_536);
    return {
      kind,
      tensor: textAt(output.need("tensor")),
      classes,
      positive: integerAt(output.need("positive"), 0, classes - 1),
      activation: wordAt(output.need("activation"), ["softmax", "none"]),
    };
  })();
  output.end();
  return result;
}

function roleAt(field: Field): { readonly role: string; readonly tensor: string } {
  const entry = objectAt(field);
  const result = { role: textAt(entry.need("role")), tensor: textAt(entry.need("tensor")) };
  entry.end();
  return result;
}

function thresholdsAt(field: Field | undefined): readonly CardThreshold[] {
  if (field === undefined) return [];
  return listAt(field).map((entry) => {
    const row = objectAt(entry);
    const evidence = row.need("evidence");
    const result: CardThreshold = {
      far: numberAt(row.need("far"), 0, 1),
      threshold: numberAt(row.need("threshold")),
      evidence: evidenceAt(evidence),
    };
    row.end();
    return result;
  });
}

function evidenceAt(field: Field): CardEvidence {
  const evidence = objectAt(field);
  const dataset = objectAt(evidence.need("dataset"));
  const interval = evidence.need("interval");
  const [low, high] = listAt(interval, 2, 2);
  if (low === undefined || high === undefined) throw badField(interval, "must be [low, high]");
  const result: CardEvidence = {
    tar: numberAt(evidence.need("tar"), 0, 1),
    interval: [numberAt(low, 0, 1), numberAt(high, 0, 1)],
    confidence: numberAt(evidence.need("confidence"), 0, 1),
    genuine: integerAt(evidence.need("genuine"), 0, Number.MAX_SAFE_INTEGER),
    impostor: integerAt(evidence.need("impostor"), 0, Number.MAX_SAFE_INTEGER),
    dataset: { name: textAt(dataset.need("name")), sha256: sha256At(dataset.need("sha256")) },
  };
  if (result.interval[0] > result.interval[1]) throw badField(interval, "has its bounds the wrong way round");
  for (const part of [evidence, dataset]) part.end();
  return result;
}

function compatibilityAt(field: Field): readonly CardCompatibility[] {
  return listAt(field).map((entry) => {
    const row = objectAt(entry);
    const verdict = wordAt(row.need("verdict"), ["templates stay", "re-fit threshold", "adapter suffices", "re-enrol"]);
    const sha256 = row.may("gallerySha256");
    // A device that finds a threshold will use it: there is none where people must enrol again, and none is left out elsewhere.
    const threshold = verdict === "re-enrol" ? undefined : numberAt(row.need("threshold"));
    const adapter = verdict === "adapter suffices" ? adapterAt(row.need("adapter")) : undefined;
    const evidence = verdict === "re-enrol" ? row.may("evidence") : row.need("evidence");
    const result: CardCompatibility = {
      gallerySpace: textAt(row.need("gallerySpace")),
      ...(sha256 && { gallerySha256: sha256At(sha256) }),
      far: numberAt(row.need("far"), 0, 1),
      verdict,
      ...(threshold !== undefined && { threshold }),
      ...(adapter && { adapter }),
      ...(evidence && { evidence: evidenceAt(evidence) }),
    };
    row.end();
    return result;
  });
}

function adapterAt(field: Field): { readonly file: string; readonly sha256: string } {
  const adapter = objectAt(field);
  const file = adapter.need("file");
  const result = { file: textAt(file), sha256: sha256At(adapter.need("sha256")) };
  if (/[/\\]|^\.\.?$/.test(result.file)) throw badField(file, "must be a file next to the card, not a path");
  adapter.end();
  return result;
}
