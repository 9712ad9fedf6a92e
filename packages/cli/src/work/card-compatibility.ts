import type { CardCompatibility, CardEvidence } from "@tessera/core/modality/card";
import type { CompatibilityCell, CompatibilityMatrix, CompatibilityPoint } from "@tessera/core/protocol/report";
import { sharesSpace } from "./matrix.ts";

/** What a card must say of the model that enrolled. */
export interface GalleryFacts {
  readonly name: string;
  /** Its embedding-space id, and names that were given to the same space before. */
  readonly spaces: readonly string[];
  readonly sha256: string;
}

/** What {@link cardCompatibility} draws on. */
export interface CompatibilityFacts {
  readonly matrix: CompatibilityMatrix;
  readonly galleries: readonly GalleryFacts[];
  readonly dataset: CardEvidence["dataset"];
  /** The written adapter from one model to another. */
  readonly adapter?: (gallery: string, probe: string) => { readonly file: string; readonly sha256: string } | undefined;
}

/**
 * What the card of a probing model says of every other model's templates, FAR by FAR. An adapter that was not written counts for nothing: the card
 * then says "re-enrol".
 */
export function cardCompatibility(probe: string, facts: CompatibilityFacts): readonly CardCompatibility[] {
  const { matrix, galleries } = facts;
  const column = matrix.models.indexOf(probe);
  return galleries.flatMap((gallery) => {
    const row = matrix.models.indexOf(gallery.name);
    const cell = matrix.cells[row]?.[column];
    if (gallery.name === probe || cell === undefined) return [];
    const rows = rowsOf(cell, facts.adapter?.(gallery.name, probe), facts);
    return gallery.spaces.flatMap((gallerySpace) => rows.map((r) => ({ gallerySpace, gallerySha256: gallery.sha256, ...r })));
  });
}

type Row = Omit<CardCompatibility, "gallerySpace" | "gallerySha256">;

function rowsOf(cell: CompatibilityCell, adapter: CardCompatibility["adapter"], facts: CompatibilityFacts): readonly Row[] {
  const mapped = cell.adapter?.points ?? [];
  const bare = cell.points ?? [];
  // Spaces of different dimensions have no cell without an adapter.
  const fars = (bare.length > 0 ? bare : mapped).map(({ far }) => far);
  if (fars.length === 0 && cell.verdict === "re-enrol") return [{ far: facts.matrix.far, verdict: "re-enrol" }];
  return fars.flatMap((far): readonly Row[] => {
    const point = bare.find((p) => p.far === far);
    const found = mapped.find((p) => p.far === far);
    if (point !== undefined && (point.verdict === "templates stay" || point.verdict === "re-fit threshold"))
      return [{ far, verdict: point.verdict, threshold: point.threshold, evidence: evidenceOf(point, facts) }];
    if (found !== undefined && cell.verdict === "adapter suffices" && adapter !== undefined)
      return [{ far, verdict: "adapter suffices", threshold: found.threshold, adapter, evidence: evidenceOf(found, facts) }];
    return [{ far, verdict: "re-enrol", ...(point === undefined ? {} : { evidence: evidenceOf(point, facts) }) }];
  });
}

function evidenceOf({ tar, genuine, impostor }: CompatibilityPoint, { dataset }: CompatibilityFacts): CardEvidence {
  const { value, low, high, confidence } = tar;
  return { tar: value, interval: [low, high], confidence, genuine, impostor, dataset };
}

/**
 * The space id that each model's card carries: that of the first model before it with an id of its own with which its templates were measured to mix,
 * in both directions at the threshold in use; else its own. Mixing is not transitive, so a model joins only whom it was measured with. A device
 * that refuses a template is a nuisance, one that takes a wrong one is a hole.
 */
export function classSpaces(
  models: readonly { readonly name: string; readonly space: string }[],
  matrix: CompatibilityMatrix | undefined,
): readonly string[] {
  const heads: { readonly name: string; readonly space: string }[] = [];
  return models.map((model) => {
    const { name, space } = model;
    const head = heads.find((h) => h.space === space || (matrix !== undefined && sharesSpace(matrix, h.name, name)));
    if (head === undefined) heads.push(model);
    return (head ?? model).space;
  });
}
