import type { Model } from "@tessera/core/graph/model";
import { countNodes } from "@tessera/core/graph/walk";
import { defaultPasses } from "@tessera/core/passes/default-passes";
import type { PipelineReport } from "@tessera/core/passes/pipeline";
import type { GraphChange } from "@tessera/core/protocol/report";
import type { Target } from "@tessera/core/targets/target";
import type { ModelFile } from "../io/model-file.ts";
import { operatorCounts } from "./summary.ts";

/** What simplification changed, and how it was proved. */
export function graphChange(
  file: ModelFile,
  after: Model,
  options: { readonly pipeline: PipelineReport; readonly target: Target },
): GraphChange {
  const { pipeline, target } = options;
  const says = new Map(defaultPasses({ target }).map((p) => [p.name, p.says]));
  const { proof } = pipeline;
  return {
    before: { nodes: file.model.source?.nodes ?? countNodes(file.model.graph, true), operators: operatorCounts(file.model) },
    after: { nodes: countNodes(after.graph, true), operators: operatorCounts(after) },
    passes: pipeline.passes
      .filter((p) => p.changes.length > 0)
      .map((p) => ({ pass: p.pass, says: says.get(p.pass) ?? "", changes: p.changes.length })),
    proof: {
      kind: proof === undefined ? "off" : proof.kind === "proved" ? "proved" : "undecided",
      inputs: proof?.inputs ?? 0,
      ...(proof?.worst === undefined ? {} : { worstRelative: proof.worst.relative }),
      ...(proof?.why === undefined ? {} : { why: proof.why }),
    },
    dropped: pipeline.dropped.map(({ pass, site, why }) => ({ pass, site, why })),
  };
}
