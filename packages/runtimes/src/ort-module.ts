import { fail } from "@tessera/core/base/error";
import type { OrtModule } from "./ort-tensor.ts";

/** The two builds of ONNX Runtime that JavaScript can call. */
export type OrtFlavour = "node" | "web";

/** Package behind each flavour. */
export const ORT_PACKAGES = { node: "onnxruntime-node", web: "onnxruntime-web" } as const satisfies Record<OrtFlavour, string>;

/**
 * Loads the binding into this thread. `threads` is for the web build, which sizes its pool once per thread it is loaded in.
 * @throws RUNTIME_MISSING when the package or its binary cannot be loaded.
 */
export async function importOrt(flavour: OrtFlavour, threads = 1): Promise<OrtModule> {
  try {
    const ort: OrtModule =
      flavour === "node" ? await import("onnxruntime-node") : ((await import("onnxruntime-web")) as unknown as OrtModule);
    // Its warnings (no GPU found, say) are not the user's business; failures come as exceptions.
    ort.env.logLevel = "fatal";
    if (flavour === "web") ort.env.wasm.numThreads = threads;
    return ort;
  } catch (cause) {
    const hint = `npm install ${ORT_PACKAGES[flavour]}`;
    throw fail(
      "RUNTIME_MISSING",
      `Cannot load ${ORT_PACKAGES[flavour]}: ${cause instanceof Error ? cause.message.split("\n")[0] : cause}`,
      { cause, hint },
    );
  }
}

/** Version of the package that {@link importOrt} loaded. */
export function ortVersion(ort: OrtModule, flavour: OrtFlavour): string {
  const { versions } = ort.env;
  return versions[flavour] ?? versions.common;
}
