import { isTesseraError } from "../../base/error.ts";
import { encodeChunks, joinChunks } from "../flatbuffer/encode.ts";
import { withBothCodes } from "./operator-code.ts";
import { planOutside } from "./outside.ts";
import { TFLITE_IDENTIFIER } from "./read.ts";
import { MODEL, type TfliteDraft } from "./schema.ts";

/** Options of {@link writeTflite}. */
export interface WriteTfliteOptions {
  /** Where constant data and custom options go: inside the flatbuffer, behind it, or behind it only if it would pass 2 GiB otherwise. */
  readonly data?: "inside" | "outside" | "auto";
  /** Leave out what a newer schema put into the records and cannot be kept, instead of refusing. */
  readonly dropUnknown?: boolean;
  /** Write equal lists once. Smaller, above all where many tensors have zero points that are all 0. */
  readonly share?: boolean;
}

/** The defaults of {@link WriteTfliteOptions}. */
export const WRITE_TFLITE_DEFAULTS = { data: "auto", dropUnknown: false, share: false } as const satisfies WriteTfliteOptions;

/**
 * Writes a `.tflite` file. Operator codes are put in both fields, a draft without a version gets 3, one without buffers gets the empty
 * first one, and constant data is aligned to 16 bytes. Same record, same bytes; read again it gives the same content.
 *
 * @throws TOO_LARGE, MALFORMED, UNSUPPORTED_FORMAT as `encodeChunks`
 * @example
 * const bytes = writeTflite({ subgraphs: [graph], operatorCodes: [makeOperatorCode("CONV_2D", 1)], buffers: [{}, { data }] });
 */
export function writeTflite(model: TfliteDraft, options: WriteTfliteOptions = {}): Uint8Array<ArrayBuffer> {
  return joinChunks(writeTfliteChunks(model, options));
}

/**
 * Writes a `.tflite` file as chunks to be put one after another into a file; large data is not copied but shared with the records.
 *
 * @throws TOO_LARGE, MALFORMED, UNSUPPORTED_FORMAT as {@link writeTflite}
 */
export function writeTfliteChunks(model: TfliteDraft, options: WriteTfliteOptions = {}): Uint8Array[] {
  const { data, dropUnknown, share } = { ...WRITE_TFLITE_DEFAULTS, ...options };
  const whole: TfliteDraft = {
    ...model,
    version: model.version ?? 3,
    buffers: model.buffers ?? [{}],
    ...(model.operatorCodes && { operatorCodes: model.operatorCodes.map(withBothCodes) }),
  };
  const encode = (draft: TfliteDraft): Uint8Array[] =>
    encodeChunks(MODEL, draft, { identifier: TFLITE_IDENTIFIER, dropUnknown, share });
  const encodeOutside = (): Uint8Array[] => {
    const flatBytes = encode(planOutside(whole, 2).model).reduce((sum, chunk) => sum + chunk.length, 0);
    const plan = planOutside(whole, flatBytes);
    return [...encode(plan.model), ...plan.chunks];
  };
  if (data === "outside") return encodeOutside();
  try {
    return encode(whole);
  } catch (error) {
    if (data === "inside" || !isTesseraError(error) || error.code !== "TOO_LARGE") throw error;
    return encodeOutside();
  }
}
