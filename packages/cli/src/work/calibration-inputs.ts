import { at } from "@tessera/core/base/assert";
import type { Model } from "@tessera/core/graph/model";
import { calibrationRows } from "./accuracy.ts";
import type { Inputs } from "./feeds.ts";
import type { PeopleData } from "./people-data.ts";
import { allFeeds, batchOf, countFeeds, type EmbeddingCard, SAMPLE_WORDS } from "./samples.ts";

/** The recordings of a folder that calibrate, as a network's own inputs: a face each, or every window of a voice. */
export function calibrationInputs(data: PeopleData, card: EmbeddingCard, model: Model): Inputs & { readonly digest: string } {
  const { samples, manifest, name, digest } = data;
  const rows = calibrationRows(data);
  const count = countFeeds(samples, rows);
  const windows = count === rows.length ? "" : `${count} windows of `;
  return {
    says: `${windows}${rows.length} ${SAMPLE_WORDS[samples.kind].many} of ${name}`,
    count,
    names: rows.flatMap((row) => Array.from({ length: countFeeds(samples, [row]) }, () => at(manifest.paths, row))),
    digest,
    *feeds(limit = count) {
      let made = 0;
      for (const feeds of allFeeds(card, samples, rows, batchOf(model, card))) {
        if (made++ >= limit) return;
        yield feeds;
      }
    },
  };
}
