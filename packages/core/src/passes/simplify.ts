import type { Model } from "../graph/model.ts";
import { type DefaultPassesOptions, defaultPasses } from "./default-passes.ts";
import { type PipelineOptions, type PipelineReport, runPipeline } from "./pipeline.ts";

/** Options of {@link simplifyModel}. */
export interface SimplifyOptions extends PipelineOptions, DefaultPassesOptions {}

/**
 * Simplifies a model with the default passes and proves that it computes the same.
 *
 * @example
 * const { model: simple, report } = await simplifyModel(model);
 */
export async function simplifyModel(
  model: Model,
  options: SimplifyOptions = {},
): Promise<{ readonly model: Model; readonly report: PipelineReport }> {
  return runPipeline(model, defaultPasses(options), options);
}
