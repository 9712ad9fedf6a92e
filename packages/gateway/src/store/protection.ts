import { randomBytes } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import { joinParts, u64 } from "./bytes.ts";
import { type DataKey, purposeKey, type StoreIdentity } from "./journal-keys.ts";
import { keyedRotation, rotate, rotateBack } from "./rotation.ts";
import { deriveKey, seal, unseal } from "./seal.ts";

/** What a template's ciphertext and transform are bound to. */
export interface TemplateBinding {
  readonly id: string;
  readonly subject: string;
  readonly modality: string;
  readonly space: string;
  readonly dimension: number;
}

/** The keys templates are protected with under one data key. */
export interface ProtectionKeys {
  readonly epoch: number;
  readonly identity: StoreIdentity;
  readonly seal: Uint8Array;
  readonly transform: Uint8Array;
}

const SALT_BYTES = 32;

/** The keys. */
export function protectionKeys(data: DataKey, identity: StoreIdentity): ProtectionKeys {
  return {
    epoch: data.epoch,
    identity,
    seal: purposeKey(data, identity, "template seal"),
    transform: purposeKey(data, identity, "template transform"),
  };
}

/**
 * A vector as it is stored: turned by a rotation that belongs to a salt drawn for this template alone, then sealed with everything it is bound
 * to. A new salt makes a new template that cannot be linked to the old one (ISO/IEC 24745: renewability, unlinkability).
 */
export function protect(keys: ProtectionKeys, binding: TemplateBinding, vector: Float32Array): Uint8Array {
  const salt = randomBytes(SALT_BYTES);
  const image = rotate(keyedRotation(rotationKey(keys, binding, salt), binding.dimension), vector);
  const plain = Buffer.concat([salt, littleEndian(image)]);
  const sealed = seal(keys.seal, plain, aadOf(keys, binding));
  plain.fill(0);
  image.fill(0);
  return sealed;
}

/** The vector again. @throws STORE_DAMAGED when it was sealed for another subject, modality, space, device, template or key */
export function unprotect(keys: ProtectionKeys, binding: TemplateBinding, sealed: Uint8Array): Float32Array {
  const plain = unseal(keys.seal, sealed, aadOf(keys, binding));
  if (plain === undefined || plain.length !== SALT_BYTES + 4 * binding.dimension) {
    throw fail("STORE_DAMAGED", "Cannot open a template: it was sealed for another place");
  }
  const image = fromLittleEndian(plain.subarray(SALT_BYTES));
  const key = rotationKey(keys, binding, plain.subarray(0, SALT_BYTES));
  const vector = rotateBack(keyedRotation(key, binding.dimension), image);
  plain.fill(0);
  image.fill(0);
  return vector;
}

/** Whether a sealed vector is the template's it is said to be. */
export function isSealedFor(keys: ProtectionKeys, binding: TemplateBinding, sealed: Uint8Array): boolean {
  const plain = unseal(keys.seal, sealed, aadOf(keys, binding));
  plain?.fill(0);
  return plain !== undefined;
}

function rotationKey(keys: ProtectionKeys, binding: TemplateBinding, salt: Uint8Array): Uint8Array {
  return deriveKey(keys.transform, salt, joinParts("tessera rotation 1", binding.subject, binding.modality, binding.space));
}

function aadOf(keys: ProtectionKeys, binding: TemplateBinding): Uint8Array {
  const { storeId, deviceId } = keys.identity;
  const { id, subject, modality, space, dimension } = binding;
  return joinParts("tessera template 1", storeId, deviceId, u64(keys.epoch), id, subject, modality, space, u64(dimension));
}

function littleEndian(values: Float32Array): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  for (let i = 0; i < values.length; i++) bytes.writeFloatLE(values[i] ?? 0, 4 * i);
  return bytes;
}

function fromLittleEndian(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
