import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The folder `shared` beside the repository, with real models and data, or undefined when this machine has none: tests that need it then
 * skip and say so.
 */
export function sharedDir(): string | undefined {
  // From packages/testkit/src (or dist): up to the root of the repository, then beside it.
  const path = fileURLToPath(new URL("../../../../shared", import.meta.url));
  return existsSync(path) ? path : undefined;
}
