import { fail } from "../../base/error.ts";
import type { ModelProto } from "../../formats/onnx/records.ts";
import { NEWEST_OPSET, OLDEST_OPSET } from "./upgrades/history.ts";

/** The name of an operator domain: the standard one has two, "" and "ai.onnx". */
export function domainName(domain: string | undefined): string {
  return domain === undefined || domain === "ai.onnx" ? "" : domain;
}

/** A version number of a file as a plain number. @throws UNSUPPORTED_OPSET when it is none */
export function versionOf(version: number | bigint | undefined, domain: string): number {
  const value = Number(version ?? 0);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw fail("UNSUPPORTED_OPSET", `Cannot use version ${version} of operator domain "${domain}": it is no version number`);
  }
  return value;
}

/** The operator sets of a model or function by domain. @throws UNSUPPORTED_OPSET when the standard one is outside the known range */
export function readOpsets(imports: ModelProto["opsetImport"]): {
  readonly standard: number | undefined;
  readonly domains: Map<string, number>;
} {
  const domains = new Map<string, number>();
  for (const set of imports ?? []) {
    const domain = domainName(set.domain);
    const version = versionOf(set.version, domain);
    // Where a domain is named twice, the later version holds: it has everything of the earlier.
    domains.set(domain, Math.max(version, domains.get(domain) ?? 0));
  }
  const standard = domains.get("");
  domains.delete("");
  if (standard !== undefined && (standard < OLDEST_OPSET || standard > NEWEST_OPSET)) {
    throw fail("UNSUPPORTED_OPSET", `Cannot raise opset ${standard}: opsets ${OLDEST_OPSET} to ${NEWEST_OPSET} are known`, {
      hint: standard < OLDEST_OPSET ? "Export with opset 7 or newer" : `Export with opset ${NEWEST_OPSET} or older`,
    });
  }
  return { standard, domains };
}
