/**
 * A counter outside the store's folder that only goes up: a TPM's, or a file where whoever can write the folder cannot write. A copy of the
 * whole folder put back later is whole and valid in itself; only something that was not put back with it can tell.
 */
export interface RollbackAnchor {
  /** Where the counter stands; `undefined` when there is none yet. */
  read(): Promise<number | undefined>;
  /** Adds one, or makes it at one; resolves with the new state when it is durable. */
  increment(): Promise<number>;
}
