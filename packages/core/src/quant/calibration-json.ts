import { fail } from "../base/error.ts";
import type { CalibrationCache, CalibrationSource } from "./calibration-cache.ts";
import { type Histogram, histogramLimits, usedBins } from "./histogram.ts";

/** Longest text of a cache that is read, in characters. */
export const CACHE_MAX_CHARACTERS = 256 * 1024 * 1024;

/** Most bins of a histogram that are read. */
export const CACHE_MAX_BINS = 2 ** 16;

/** Most bins of all histograms together: they take 8 bytes each in memory, however few the file fills. */
export const CACHE_MAX_TOTAL_BINS = 2 ** 25;

function sorted<T, U>(map: ReadonlyMap<string, T>, print: (value: T) => U): Record<string, U> {
  // Without a prototype, a tensor called "__proto__" is an entry like any other.
  const record = Object.create(null) as Record<string, U>;
  for (const [name, value] of [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) record[name] = print(value);
  return record;
}

/** A cache as JSON text, a line per tensor, names sorted: whoever has to allow it to leave can read all of it. The same cache gives the same bytes. */
export function cacheToJson(cache: CalibrationCache): string {
  const { kind, version, tool, network, target, sources } = cache;
  const head = { kind, version, tool, network, target, sources };
  const lines = (record: Record<string, unknown>): string =>
    Object.entries(record)
      .map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
      .join(",\n");
  const parts = [
    ...Object.entries(head).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`),
    `  "channelScales": {\n${lines(sorted(cache.channelScales, (list) => list))}\n  }`,
    `  "largest": {\n${lines(sorted(cache.largest, (list) => Array.from(list)))}\n  }`,
    `  "histograms": {\n${lines(sorted(cache.histograms, printed))}\n  }`,
  ];
  return `{\n${parts.join(",\n")}\n}\n`;
}

/** A histogram with the bins between its extremes; the others are empty. */
function printed(h: Histogram): unknown {
  const { limit, count, zeros, min, max, sum, sumOfSquares } = h;
  const bins = h.counts.length;
  if (count === 0) return { limit, bins, count };
  const { first, last } = usedBins(h);
  return {
    limit,
    bins,
    count,
    zeros,
    min,
    max,
    sum,
    sumOfSquares,
    first,
    counts: Array.from(h.counts.subarray(first, last + 1)),
  };
}

type Json = Readonly<Record<string, unknown>>;

function bad(what: string): Error {
  return fail("CALIBRATION_CACHE", `Cannot read the calibration cache: ${what}`);
}

function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(`${what} is not an object`);
  return value as Json;
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string" || value.length > 200) throw bad(`${what} is not a short text`);
  return value;
}

function count(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw bad(`${what} is not a count`);
  return value;
}

function finite(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw bad(`${what} is not a number`);
  return value;
}

function list(value: unknown, what: string): readonly number[] {
  if (!Array.isArray(value) || !value.every((v) => typeof v === "number" && Number.isFinite(v)))
    throw bad(`${what} is not a list of numbers`);
  return value as readonly number[];
}

function digest(value: unknown, what: string): string {
  const hex = text(value, what);
  if (!/^[0-9a-f]{64}$/.test(hex)) throw bad(`${what} is no sha-256 in hexadecimal`);
  return hex;
}

/**
 * Reads a cache from outside: sizes are limited, and what a histogram says of itself is held against its counts.
 *
 * @throws CALIBRATION_CACHE naming the entry
 */
export function cacheFromJson(source: string): CalibrationCache {
  if (source.length > CACHE_MAX_CHARACTERS) throw bad(`it has ${source.length} characters, more than ${CACHE_MAX_CHARACTERS}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(source);
  } catch (error) {
    throw fail("CALIBRATION_CACHE", "Cannot read the calibration cache: it is not JSON", { cause: error });
  }
  const json = object(parsed, "the file");
  if (json["kind"] !== "tessera-calibration-cache" || json["version"] !== 1)
    throw bad("it is not a tessera-calibration-cache of version 1");
  const { sources } = json;
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > 10_000) throw bad("sources is no list of sites");
  const histograms = Object.entries(object(json["histograms"], "histograms"));
  const total = histograms.reduce((sum, [name, value]) => sum + binsOf(name, value), 0);
  if (total > CACHE_MAX_TOTAL_BINS) throw bad(`its histograms have ${total} bins, more than ${CACHE_MAX_TOTAL_BINS}`);
  return {
    kind: "tessera-calibration-cache",
    version: 1,
    tool: text(json["tool"], "tool"),
    network: digest(json["network"], "network"),
    target: text(json["target"], "target"),
    sources: sources.map(readSource),
    channelScales: new Map(Object.entries(object(json["channelScales"], "channelScales")).map(readScales)),
    largest: new Map(Object.entries(object(json["largest"], "largest")).map(readLargest)),
    histograms: new Map(histograms.map(([name, value]) => [name, readHistogram(name, value)] as const)),
  };
}

function readSource(value: unknown, index: number): CalibrationSource {
  const json = object(value, `sources.${index}`);
  const samples = count(json["samples"], `sources.${index}.samples`);
  if (samples === 0) throw bad(`sources.${index} has no samples`);
  return { samples, digest: digest(json["digest"], `sources.${index}.digest`) };
}

function readScales([name, value]: readonly [string, unknown]): readonly [string, readonly number[]] {
  const factors = list(value, `channelScales.${name}`);
  if (!factors.every((f) => Math.fround(f) > 0 && Number.isFinite(Math.fround(f))))
    throw bad(`channelScales.${name} has a value that is not a positive float32`);
  return [name, factors];
}

function readLargest([name, value]: readonly [string, unknown]): readonly [string, Float64Array] {
  const magnitudes = Float64Array.from(list(value, `largest.${name}`));
  if (!magnitudes.every((v) => v >= 0)) throw bad(`largest.${name} has a negative magnitude`);
  return [name, magnitudes];
}

function binsOf(name: string, value: unknown): number {
  const at = `histograms.${name}`;
  const bins = count(object(value, at)["bins"], `${at}.bins`);
  if (bins < 4 || bins > CACHE_MAX_BINS || !Number.isInteger(Math.log2(bins))) throw bad(`${at}.bins is ${bins}`);
  return bins;
}

function readHistogram(name: string, value: unknown): Histogram {
  const at = `histograms.${name}`;
  const json = object(value, at);
  const bins = binsOf(name, value);
  const limit = finite(json["limit"], `${at}.limit`);
  const { least, most } = histogramLimits();
  if (!(limit >= least && limit <= most) || !Number.isInteger(Math.log2(limit))) throw bad(`${at}.limit is ${limit}`);
  const total = count(json["count"], `${at}.count`);
  const counts = new Float64Array(bins);
  const none = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, sum: 0, sumOfSquares: 0 };
  if (total === 0) return { limit, counts, count: 0, zeros: 0, ...none };
  const min = finite(json["min"], `${at}.min`);
  const max = finite(json["max"], `${at}.max`);
  if (!(min <= max && -min < limit && max < limit)) throw bad(`${at} reaches from ${min} to ${max} of ${limit}`);
  const zeros = count(json["zeros"], `${at}.zeros`);
  const sum = finite(json["sum"], `${at}.sum`);
  const sumOfSquares = finite(json["sumOfSquares"], `${at}.sumOfSquares`);
  if (sumOfSquares < 0) throw bad(`${at}.sumOfSquares is negative`);
  const first = count(json["first"], `${at}.first`);
  const given = json["counts"];
  const used = usedBins({ limit, counts, min, max });
  if (!Array.isArray(given) || first !== used.first || given.length !== used.last - used.first + 1)
    throw bad(`${at}.counts do not reach from its least to its greatest value`);
  given.forEach((v: unknown, i) => {
    counts[first + i] = count(v, `${at}.counts`);
  });
  const seen = counts.reduce((a, b) => a + b, 0);
  if (seen !== total) throw bad(`${at} counts ${seen} values and says ${total}`);
  if (zeros > (counts[bins / 2] as number)) throw bad(`${at}.zeros is more than its middle bin`);
  if ((counts[used.first] as number) === 0 || (counts[used.last] as number) === 0)
    throw bad(`${at} has no value in the bin of an extreme`);
  return { limit, counts, count: total, zeros, min, max, sum, sumOfSquares };
}
