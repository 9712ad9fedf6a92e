import { fail } from "@tessera/core/base/error";
import { type FaceEmbeddingCard, faceDetectorCard } from "@tessera/core/modality/card";
import { findCard } from "../io/card-file.ts";
import { type FaceData, loadFaceData } from "../work/faces.ts";
import type { Runtimes } from "../work/runtime.ts";
import type { Progress } from "./progress.ts";
import { choiceOption, type VerbTools } from "./verb.ts";

/** Options of every verb that takes pictures of faces. */
export const FACE_OPTIONS = {
  card: { type: "string", description: "Model card (default: NAME.card.json next to the model)" },
  cards: { type: "string", description: "Folder with further cards, found by model name" },
  data: {
    type: "string",
    description: "Folder with manifest.csv (path, subject, role), pictures, and pairs.csv / aliases.csv where there are such",
  },
  calib: { type: "string", description: "Folder with calibration pictures (default: role calib of --data)" },
  detector: { type: "string", description: "Face detector (.onnx, .tflite); without it the pictures must be aligned already" },
  "on-no-face": {
    type: "string",
    description: "Where no face is found: reject, or centre-crop for benchmark data",
    default: "reject",
  },
  choice: { type: "string", description: "Of several faces take the largest, central or best one", default: "largest" },
  cache: { type: "boolean", description: "Keep aligned faces between runs", default: true },
} as const;

/** The parsed values of {@link FACE_OPTIONS}. */
export interface FaceArgs {
  readonly card?: string | undefined;
  readonly cards?: string | undefined;
  readonly data?: string | undefined;
  readonly calib?: string | undefined;
  readonly detector?: string | undefined;
  readonly "on-no-face": string;
  readonly choice: string;
  readonly cache: boolean;
}

/** Loads and aligns the pictures of a data folder as the options say. @throws USAGE without a folder */
export async function faceDataOf(
  folder: string | undefined,
  args: FaceArgs,
  tools: VerbTools & { readonly card: FaceEmbeddingCard; readonly runtimes: Runtimes; readonly progress: Progress },
): Promise<FaceData> {
  if (folder === undefined) throw fail("USAGE", "Cannot evaluate: no data folder", { hint: "Give one with --data" });
  return loadFaceData(folder, {
    runtimes: tools.runtimes,
    card: tools.card,
    detector:
      args.detector === undefined
        ? undefined
        : { path: args.detector, card: faceDetectorCard(findCard(args.detector, { cards: args.cards })) },
    onNoFace: choiceOption("on-no-face", args["on-no-face"], ["reject", "centre-crop"]),
    choice: choiceOption("choice", args.choice, ["largest", "central", "best"]),
    useCache: args.cache,
    progress: tools.progress,
    signal: tools.signal,
  });
}
