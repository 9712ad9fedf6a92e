import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelCard } from "@tessera/core/modality/card";
import { parseCard } from "@tessera/core/modality/read-card";

const FOLDER = fileURLToPath(new URL("../cards", import.meta.url));

/** Names of the cards written for the models in `shared/models`, without `.card.json`. */
export function cardNames(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".card.json"))
    .map((file) => file.slice(0, -".card.json".length))
    .sort();
}

/** Path of a card. */
export function cardPath(name: string): string {
  return join(FOLDER, `${name}.card.json`);
}

/** A card by name, such as "mobilefacenet-foamliu-128". @throws CARD_INVALID */
export function cardOf(name: string): ModelCard {
  return parseCard(readFileSync(cardPath(name)));
}
