/**
 * Whoever keeps the key that the store's data key is wrapped with: a passphrase, a TPM, a PKCS#11 token. The data key itself is 32 random
 * bytes that the store draws; outside the process it exists only wrapped.
 */
export interface KeyProvider {
  /** Which provider wrapped it, such as "file": written beside the wrapped key. */
  readonly id: string;
  /** Wraps a data key of 32 bytes; `aad` must be given again, byte for byte, to unwrap. @throws KEY_UNAVAILABLE */
  wrap(dataKey: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  /** The data key. @throws KEY_UNAVAILABLE when the provider cannot be asked, KEY_REJECTED when it says no */
  unwrap(wrapped: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  /** Forgets what it keeps in memory. */
  close?(): void;
}
