import { existsSync } from "node:fs";
import { placed } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import { type CalibrationCache, mergeCaches } from "@tessera/core/quant/calibration-cache";
import { cacheFromJson, cacheToJson } from "@tessera/core/quant/calibration-json";
import { readText, sha256, writeFile } from "./files.ts";

/** sha-256 (hex) of a float network: of its graph alone, whatever made the file it comes from and says about it. */
export function networkDigest(model: Model): string {
  const { kind, graph, domains } = model;
  const bare: Model = { kind, graph: { ...graph, name: "" }, domains, metadata: new Map(), producer: { name: "", version: "" } };
  return sha256(modelToOnnx(bare));
}

/** The names or paths of an option that takes several, with commas between. */
export function namesOf(option: string): readonly string[] {
  return option
    .split(",")
    .map((path) => path.trim())
    .filter((path) => path !== "");
}

/** The cache of one or several files together; `undefined` when there is one path and no such file yet. @throws IO, CALIBRATION_CACHE */
export function readCaches(paths: readonly string[]): CalibrationCache | undefined {
  const [only] = paths;
  if (paths.length === 1 && only !== undefined && !existsSync(only)) return undefined;
  const caches = paths.map((file) => {
    try {
      return cacheFromJson(readText(file));
    } catch (error) {
      throw placed(error, { file });
    }
  });
  return mergeCaches(caches);
}

/** Writes a cache. @throws IO */
export function writeCache(path: string, cache: CalibrationCache): void {
  writeFile(path, cacheToJson(cache));
}

/** One digest of all data that went into a cache. */
export function sourcesDigest({ sources }: CalibrationCache): string {
  const [first] = sources;
  return sources.length === 1 && first !== undefined ? first.digest : sha256(sources.map((s) => s.digest).join(""));
}
