import { fail } from "../base/error.ts";
import { type Histogram, mergeHistogram } from "./histogram.ts";

/** Pictures that went into a cache: their number, and what they were, as far as a digest tells. */
export interface CalibrationSource {
  readonly samples: number;
  /** sha-256 (hex) of the data. */
  readonly digest: string;
}

/**
 * What calibration saw, without the pictures: enough to choose ranges by any method, and nothing that grows with the number of samples. It can leave
 * the place where the pictures must stay; what it tells about them is said in docs/calibration-cache.md.
 */
export interface CalibrationCache {
  readonly kind: "tessera-calibration-cache";
  readonly version: 1;
  /** Name and version of the tool that wrote it. */
  readonly tool: string;
  /** sha-256 (hex) of the float graph that was observed, before channels were scaled. */
  readonly network: string;
  /** The target by whose rules tensors were chosen. */
  readonly target: string;
  readonly sources: readonly CalibrationSource[];
  /** Largest magnitude of each channel of values that may be equalized, of the float graph as it is. */
  readonly largest: ReadonlyMap<string, Float64Array>;
  /** Factors by which channels were scaled before histograms were taken: see scaleChannels. */
  readonly channelScales: ReadonlyMap<string, readonly number[]>;
  /** By value of the scaled graph. */
  readonly histograms: ReadonlyMap<string, Histogram>;
}

/** Number of samples in a cache. */
export function cachedSamples(cache: CalibrationCache): number {
  return cache.sources.reduce((sum, source) => sum + source.samples, 0);
}

function differ(why: string, hint: string): Error {
  return fail("CALIBRATION_CACHE", `Cannot merge calibration caches: ${why}`, { hint });
}

/**
 * One cache of several sites' caches: counts add up exactly, as if one site had had all samples. Sums are added in the order given, so they may differ
 * in the last bits from those of one run.
 *
 * @throws CALIBRATION_CACHE when there is none, when they are of different networks or targets, of channels scaled differently, or of the same samples
 */
export function mergeCaches(caches: readonly CalibrationCache[]): CalibrationCache {
  const [first, ...others] = caches;
  if (first === undefined) throw differ("there is none", "Name at least one file");
  const largest = new Map([...first.largest].map(([name, list]) => [name, list.slice()] as const));
  const histograms = new Map([...first.histograms].map(([name, h]) => [name, { ...h, counts: h.counts.slice() }] as const));
  const sources = [...first.sources];
  for (const other of others) {
    if (other.network !== first.network)
      throw differ("they were made of different networks", "Calibrate the same model file with the same version at each site");
    if (other.target !== first.target)
      throw differ(`they were made for ${first.target} and ${other.target}`, "Calibrate for one target at each site");
    if (!sameScales(other.channelScales, first.channelScales))
      throw differ(
        "each site equalized channels by its own samples, so that their histograms are of different values",
        "Calibrate the second site again with --equalize-by and the first site's cache",
      );
    if (!sameKeys(other.histograms, histograms) || !sameKeys(other.largest, largest))
      throw differ("they hold different tensors", "Calibrate both with the same version");
    const twice = other.sources.find((source) => sources.some(({ digest }) => digest === source.digest));
    if (twice !== undefined)
      throw differ(`the samples of digest ${twice.digest.slice(0, 12)} are in two of them`, "Name each site's cache once");
    for (const [name, list] of other.largest) raise(name, largest.get(name) as Float64Array, list);
    for (const [name, h] of other.histograms) mergeHistogram(histograms.get(name) as Histogram, h);
    sources.push(...other.sources);
  }
  return { ...first, sources, largest, histograms };
}

function raise(name: string, into: Float64Array, list: Float64Array): void {
  if (into.length !== list.length)
    throw differ(`${name} has ${into.length} channels in one and ${list.length} in another`, "Calibrate both again");
  for (let i = 0; i < into.length; i++) into[i] = Math.max(into[i] as number, list[i] as number);
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((name) => b.has(name));
}

function sameScales(a: CalibrationCache["channelScales"], b: CalibrationCache["channelScales"]): boolean {
  return sameKeys(a, b) && [...a].every(([name, list]) => list.every((v, i) => v === b.get(name)?.[i]));
}
