import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { ModelCard } from "@tessera/core/modality/card";
import { parseCard } from "@tessera/core/modality/read-card";
import { fileSize, readBytes, sha256OfFile } from "./files.ts";

/** Where to look for a card besides the model's own folder: one that is named, and a folder of them. */
export interface CardPlaces {
  readonly card?: string | undefined;
  readonly cards?: string | undefined;
}

/** How the files of cards end. */
const CARD_ENDING = ".card.json";

/**
 * Where the card of a model lies: the file named, else NAME.card.json next to the model, else in the folder of cards, else the card in that
 * folder whose `modelSha256` is that of the model, whatever it is called.
 *
 * @throws CARD_INVALID saying where it was looked for; IO when the model itself is not there
 */
export function findCardPath(modelPath: string, options: CardPlaces): string {
  const named = options.card === undefined ? placesOf(modelPath, options) : [options.card];
  const found = named.find((path) => existsSync(path)) ?? (options.card === undefined ? byDigest(modelPath, options) : undefined);
  if (found !== undefined) return found;
  // A misspelt path of the model is the likelier mistake, and is then the one to tell.
  fileSize(modelPath);
  const digest =
    options.card === undefined && options.cards !== undefined ? `, and a modelSha256 that fits in ${options.cards}` : "";
  throw fail("CARD_INVALID", `Cannot find the card of ${modelPath}: looked for ${named.join(", ")}${digest}`, {
    hint: "Write one (docs/model-card.md) and name it with --card, or keep cards in a folder named with --cards",
  });
}

/** The card of a model, from where {@link findCardPath} finds it. @throws CARD_INVALID, IO */
export function findCard(modelPath: string, options: CardPlaces): ModelCard {
  return parseCard(readBytes(findCardPath(modelPath, options)));
}

/** The card of a model where there is one; a card that is named must be there. @throws CARD_INVALID, IO */
export function cardOrNone(modelPath: string, options: CardPlaces): ModelCard | undefined {
  const isThere =
    options.card !== undefined ||
    placesOf(modelPath, options).some((path) => existsSync(path)) ||
    byDigest(modelPath, options) !== undefined;
  return isThere ? findCard(modelPath, options) : undefined;
}

function placesOf(modelPath: string, { cards }: CardPlaces): readonly string[] {
  const name = `${basename(modelPath, extname(modelPath))}${CARD_ENDING}`;
  return [join(dirname(modelPath), name), ...(cards === undefined ? [] : [join(cards, name)])];
}

/** The card of the folder that says it is for these very bytes. One that does not parse as JSON is nobody's. */
function byDigest(modelPath: string, { cards }: CardPlaces): string | undefined {
  if (cards === undefined || !existsSync(cards) || !existsSync(modelPath)) return undefined;
  const digest = sha256OfFile(modelPath);
  const names = readdirSync(cards).filter((name) => name.endsWith(CARD_ENDING));
  return names
    .sort()
    .map((name) => join(cards, name))
    .find((path) => declaredDigest(path) === digest);
}

function declaredDigest(path: string): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(readBytes(path)));
    return typeof value === "object" && value !== null && "modelSha256" in value ? value.modelSha256 : undefined;
  } catch {
    return undefined;
  }
}
