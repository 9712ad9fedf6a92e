import { fail } from "../../base/error.ts";
import { matrix } from "../../base/matrix.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, type Tensor, view } from "../../graph/tensor.ts";
import type { EmbeddingOutput, FeatureInput, ModelCard } from "../card.ts";
import { KEY_FEATURES, sequencesOf } from "./key-sequence.ts";
import { attemptsOf, type KeystrokeEvaluation, type KeystrokeProtocol, summariseUsers } from "./protocol.ts";
import { type KeystrokeSet, type KeystrokeSubject, rowOf } from "./samples.ts";
import { squaredDistance } from "./spread.ts";

/** A card of a network that embeds key sequences, f32[N, keys, 5], compared by Euclidean distance. */
export type KeystrokeEmbeddingCard = ModelCard & { readonly input: FeatureInput; readonly output: EmbeddingOutput };

/** An embedding network: a loaded model and the card that says how to feed it. */
export interface KeystrokeEmbedder {
  readonly session: Session;
  readonly card: KeystrokeEmbeddingCard;
}

/** The card as one of a keystroke embedding network. @throws CARD_INVALID when it is something else. */
export function keystrokeEmbeddingCard(card: ModelCard): KeystrokeEmbeddingCard {
  const { input, output } = card;
  const fits =
    card.modality === "keystroke" &&
    input.kind === "features" &&
    input.features === "keystroke-timing" &&
    input.shape.length === 2 &&
    input.shape[1] === KEY_FEATURES &&
    output.kind === "embedding" &&
    output.metric === "euclidean";
  if (!fits)
    throw fail(
      "CARD_INVALID",
      `Cannot embed keystrokes with "${card.name}": its card describes ${card.modality} ${card.task} from ${input.kind}, ` +
        `not a Euclidean embedding of sequences of ${KEY_FEATURES} numbers a key`,
    );
  return { ...card, input, output };
}

/** Sequences run at a time. */
const BATCH = 64;

/**
 * Embeds key sequences f32[keys, 5] of the card's length. One f32[dimension] each, as the network gives them. The model's batch size must be symbolic, or 1.
 *
 * @throws SHAPE_MISMATCH for a sequence of another length, DATA_MISSING when the model lacks the card's tensor, RUNTIME_FAILED
 */
export async function embedKeystrokes(
  embedder: KeystrokeEmbedder,
  sequences: readonly Float32Array[],
): Promise<readonly Float32Array[]> {
  const { session, card } = embedder;
  const keys = card.input.shape[0] as number;
  const size = keys * KEY_FEATURES;
  const declared = session.inputs.find((input) => input.name === card.input.tensor)?.type;
  const first = declared?.kind === "tensor" ? declared.shape?.[0] : undefined;
  const most = typeof first === "number" ? first : BATCH;
  const embeddings: Float32Array[] = [];
  for (let from = 0; from < sequences.length; from += most) {
    const part = sequences.slice(from, from + most);
    const data = new Float32Array(part.length * size);
    part.forEach((sequence, i) => {
      if (sequence.length !== size)
        throw fail(
          "SHAPE_MISMATCH",
          `Cannot embed a sequence of ${sequence.length} numbers: "${card.name}" takes ${keys} keys of ${KEY_FEATURES}`,
        );
      data.set(sequence, i * size);
    });
    const outputs = await session.run(new Map([[card.input.tensor, f32([part.length, keys, KEY_FEATURES], data)]]));
    const made = outputs.get(card.output.tensor);
    if (made === undefined) throw fail("DATA_MISSING", `Cannot embed keystrokes: the model has no output ${card.output.tensor}`);
    embeddings.push(...rowsOfTensor(made, { count: part.length, card }));
  }
  return embeddings;
}

function rowsOfTensor(
  made: Tensor,
  { count, card }: { readonly count: number; readonly card: KeystrokeEmbeddingCard },
): readonly Float32Array[] {
  const { dimension } = card.output;
  const values = view(made, "float32");
  if (values.length !== count * dimension)
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot read the embeddings: [${made.shape}] where "${card.name}" says ${count} of ${dimension}`,
    );
  return Array.from({ length: count }, (_, i) => values.slice(i * dimension, (i + 1) * dimension));
}

/** Anomaly score of an embedding against an enrolled gallery: its mean Euclidean distance to it (Acien et al. 2022). */
export function galleryDistance(gallery: readonly ArrayLike<number>[], probe: ArrayLike<number>): number {
  let sum = 0;
  for (const enrolled of gallery) sum += Math.sqrt(squaredDistance(enrolled, probe));
  return sum / gallery.length;
}

/**
 * A network on a table of typed passwords, by the protocol of the detectors: the gallery is what a detector would learn from. Nothing is trained.
 *
 * @throws DATASET_INVALID, INSUFFICIENT_DATA, and as {@link embedKeystrokes}
 */
export async function evaluateEmbedder(
  embedder: KeystrokeEmbedder,
  set: KeystrokeSet,
  options: { readonly keyCodes: readonly number[]; readonly protocol: KeystrokeProtocol },
): Promise<KeystrokeEvaluation> {
  const { keyCodes, protocol } = options;
  const length = embedder.card.input.shape[0] as number;
  const people = sequencesOf(set, { keyCodes, length });
  const subjects: KeystrokeSubject[] = [];
  for (const [i, { id }] of set.subjects.entries()) {
    const embedded = await embedKeystrokes(embedder, people[i] ?? []);
    const samples = matrix(embedded.length, embedder.card.output.dimension);
    embedded.forEach((row, k) => {
      samples.data.set(row, k * samples.cols);
    });
    subjects.push({ id, samples });
  }
  return summariseUsers(
    protocol,
    attemptsOf({ name: set.name, subjects }, protocol).map(({ subject, train, genuine, impostor }) => {
      const gallery = Array.from({ length: train.rows }, (_, i) => rowOf(train, i));
      const scores = (probes: readonly Float64Array[]): Float64Array =>
        Float64Array.from(probes, (p) => galleryDistance(gallery, p));
      return { subject, genuine: scores(genuine), impostor: scores(impostor) };
    }),
  );
}
