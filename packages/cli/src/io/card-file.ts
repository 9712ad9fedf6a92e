import { existsSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { ModelCard } from "@tessera/core/modality/card";
import { parseCard } from "@tessera/core/modality/read-card";
import { readBytes } from "./files.ts";

/**
 * The card of a model: the file named, else NAME.card.json next to the model, else in the folder of cards.
 *
 * @throws CARD_INVALID saying where it was looked for
 */
export function findCard(
  modelPath: string,
  options: { readonly card?: string | undefined; readonly cards?: string | undefined },
): ModelCard {
  const name = `${basename(modelPath, extname(modelPath))}.card.json`;
  const places =
    options.card !== undefined
      ? [options.card]
      : [join(dirname(modelPath), name), ...(options.cards === undefined ? [] : [join(options.cards, name)])];
  const found = places.find((path) => existsSync(path));
  if (found === undefined) {
    throw fail("CARD_INVALID", `Cannot find the card of ${modelPath}: looked for ${places.join(", ")}`, {
      hint: "Write one (docs/model-card.md) and name it with --card, or keep cards in a folder named with --cards",
    });
  }
  return parseCard(readBytes(found));
}

/** The card of a model where there is one; a card that is named must be there. @throws CARD_INVALID */
export function cardOrNone(modelPath: string, options: Parameters<typeof findCard>[1]): ModelCard | undefined {
  const name = `${basename(modelPath, extname(modelPath))}.card.json`;
  const isThere = [dirname(modelPath), ...(options.cards === undefined ? [] : [options.cards])].some((folder) =>
    existsSync(join(folder, name)),
  );
  return options.card === undefined && !isThere ? undefined : findCard(modelPath, options);
}
