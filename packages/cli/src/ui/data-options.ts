import { fail } from "@tessera/core/base/error";
import { faceDetectorCard } from "@tessera/core/modality/card";
import { findCard } from "../io/card-file.ts";
import { loadFaceData } from "../work/faces.ts";
import type { PeopleData } from "../work/people-data.ts";
import type { Runtimes } from "../work/runtime.ts";
import { type EmbeddingCard, isFaceCard } from "../work/samples.ts";
import { loadVoiceData } from "../work/voices.ts";
import type { Progress } from "./progress.ts";
import { choiceOption, type VerbTools } from "./verb.ts";

/** Options of every verb that takes recordings of people: pictures of faces, or voices. */
export const DATA_OPTIONS = {
  card: { type: "string", description: "Model card (default: NAME.card.json next to the model)" },
  cards: { type: "string", description: "Folder with further cards, found by the name of the model, or by their modelSha256" },
  data: {
    type: "string",
    description:
      "Folder with manifest.csv (path, subject, role), pictures or .wav files, and pairs.csv (or trials.csv) / aliases.csv where there are such",
  },
  calib: {
    type: "string",
    description: "Folder with calibration pictures or voices (default: role calib, or cohort, of --data)",
  },
  detector: { type: "string", description: "Face detector (.onnx, .tflite); without it the pictures must be aligned already" },
  "on-no-face": {
    type: "string",
    description: "Where no face is found: reject, or centre-crop for benchmark data",
    default: "reject",
  },
  choice: { type: "string", description: "Of several faces take the largest, central or best one", default: "largest" },
  cache: { type: "boolean", description: "Keep aligned faces between runs", default: true },
} as const;

/** The parsed values of {@link DATA_OPTIONS}. */
export interface DataArgs {
  readonly card?: string | undefined;
  readonly cards?: string | undefined;
  readonly data?: string | undefined;
  readonly calib?: string | undefined;
  readonly detector?: string | undefined;
  readonly "on-no-face": string;
  readonly choice: string;
  readonly cache: boolean;
}

/** Loads the recordings of a data folder as the options and the card say. @throws USAGE without a folder, and for a detector of faces in voices */
export async function dataOf(
  folder: string | undefined,
  args: DataArgs,
  tools: VerbTools & { readonly card: EmbeddingCard; readonly runtimes: Runtimes; readonly progress: Progress },
): Promise<PeopleData> {
  const { card, runtimes, progress, signal } = tools;
  if (folder === undefined) throw fail("USAGE", "Cannot evaluate: no data folder", { hint: "Give one with --data" });
  const { detector } = args;
  if (!isFaceCard(card)) {
    if (detector !== undefined) throw fail("USAGE", `Cannot look for faces with ${detector}: "${card.name}" takes voices`);
    return loadVoiceData(folder, { card, progress, signal });
  }
  return loadFaceData(folder, {
    runtimes,
    card,
    detector:
      detector === undefined ? undefined : { path: detector, card: faceDetectorCard(findCard(detector, { cards: args.cards })) },
    onNoFace: choiceOption("on-no-face", args["on-no-face"], ["reject", "centre-crop"]),
    choice: choiceOption("choice", args.choice, ["largest", "central", "best"]),
    useCache: args.cache,
    progress,
    signal,
  });
}
