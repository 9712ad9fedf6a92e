import { isTesseraError } from "@tessera/core/base/error";
import type { ErrorCode } from "@tessera/core/base/error-codes";
import { type Random, seededRandom } from "@tessera/core/base/random";
import { mutate } from "./mutate.ts";

/** A run of {@link fuzzReader}. */
export interface ReaderFuzz {
  /** Good files, which are also the donors; picked in turn. */
  readonly files: readonly Uint8Array[];
  readonly count: number;
  readonly seed: number;
  /** Reads one file, checks what must hold of the result, and throws only errors with codes. */
  readonly read: (bytes: Uint8Array) => void;
  /** How a file is damaged; by default byte by byte, with parts of the others put in. */
  readonly damage?: (file: Uint8Array, random: Random) => Uint8Array;
}

/** What came of it. */
export interface ReaderFuzzReport {
  /** Mutants that were read. */
  readonly read: number;
  /** Mutants that were refused, by code. */
  readonly refused: Readonly<Partial<Record<ErrorCode, number>>>;
  /** The most processor time that one mutant took, in milliseconds. */
  readonly slowestMs: number;
}

/**
 * Gives `count` damaged files to a reader. Any error without a code is a bug of the reader and ends the run, naming the mutant so that it
 * can be made again: `damage(files[i % files.length], seededRandom(seed + i))`.
 *
 * @example
 * fuzzReader({ files: [file], count: 1000, seed: 1, read: (bytes) => readOnnx(bytes) });
 */
export function fuzzReader(run: ReaderFuzz): ReaderFuzzReport {
  const { damage = (file, random) => mutate(file, random, { donors: run.files }).bytes } = run;
  const refused: Partial<Record<ErrorCode, number>> = {};
  let read = 0;
  let slowestMicros = 0;
  for (let i = 0; i < run.count; i++) {
    const file = run.files[i % run.files.length];
    if (file === undefined) throw new Error("There are no files to start from");
    const bytes = damage(file, seededRandom(run.seed + i));
    const before = process.cpuUsage();
    try {
      run.read(bytes);
      read++;
    } catch (error) {
      if (!isTesseraError(error)) {
        throw new Error(`Mutant ${i} of seed ${run.seed} (${bytes.length} bytes) broke the reader`, {
          cause: error,
        });
      }
      refused[error.code] = (refused[error.code] ?? 0) + 1;
    }
    const { user, system } = process.cpuUsage(before);
    slowestMicros = Math.max(slowestMicros, user + system);
  }
  return { read, refused, slowestMs: slowestMicros / 1000 };
}
