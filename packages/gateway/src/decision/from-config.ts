import { readFile } from "node:fs/promises";
import { fail, placed } from "@tessera/core/base/error";
import { applyFusion, type FusionModel, parseFusion } from "@tessera/core/biometrics/fusion";
import { parseCard } from "@tessera/core/modality/read-card";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import type { GatewayConfig } from "../config.ts";
import { type DecisionPolicy, type FusionPolicy, MODALITIES, type ModalityPolicy, modalityPolicy } from "./policy.ts";

/** The policies of a configuration: for one named person, and for anybody. @throws GATEWAY_CONFIG, CARD_INVALID, IO */
export async function policiesOf(
  config: GatewayConfig,
): Promise<{ readonly verify: DecisionPolicy; readonly identify: DecisionPolicy }> {
  const { mode } = config.decision;
  const fusion = await fusionOf(config);
  const verify: Partial<Record<GatewayModality, ModalityPolicy>> = {};
  const identify: Partial<Record<GatewayModality, ModalityPolicy>> = {};
  for (const modality of MODALITIES) {
    const served = config[modality];
    if (served === undefined) continue;
    const card = parseCard(await bytesOf(served.embedder.card));
    const liveness = "liveness" in served && served.liveness !== undefined;
    try {
      verify[modality] = modalityPolicy(card, served.decision, { liveness });
      identify[modality] = modalityPolicy(card, config.decision.identify[modality] ?? served.decision, { liveness });
    } catch (error) {
      throw placed(error, { file: served.embedder.card });
    }
  }
  return {
    verify: { mode, modalities: verify, ...(fusion && { fusion }) },
    identify: { mode, modalities: identify, ...(fusion && { fusion }) },
  };
}

async function fusionOf(config: GatewayConfig): Promise<FusionPolicy | undefined> {
  const { fusion } = config.decision;
  if (fusion === undefined) return undefined;
  const model = parseFusion(Buffer.from(await bytesOf(fusion.model)).toString("utf8"));
  const served = MODALITIES.filter((m) => config[m] !== undefined);
  return fusionPolicy(model, { served, threshold: fusion.threshold });
}

/** A fusion model as a policy. @throws GATEWAY_CONFIG when it has no rule for just the modalities that are served */
export function fusionPolicy(
  model: FusionModel,
  options: { readonly served: readonly GatewayModality[]; readonly threshold: number },
): FusionPolicy {
  const { served, threshold } = options;
  const fits = model.rules.some((r) => r.modalities.length === served.length && served.every((m) => r.modalities.includes(m)));
  if (!fits) {
    const rules = model.rules.map((r) => r.modalities.join("+")).join(", ");
    throw fail("GATEWAY_CONFIG", `Cannot fuse ${served.join(" and ")}: the fusion model has rules for ${rules}`);
  }
  return {
    threshold,
    apply(scores) {
      const given = Object.entries(scores).map(([name, score]) => [name, { score }] as const);
      // A score that is no number is no evidence: nobody is let in by it.
      if (given.some(([, { score }]) => !Number.isFinite(score))) return undefined;
      return applyFusion(model, Object.fromEntries(given));
    },
  };
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw fail("IO", `Cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`, { at: { file: path }, cause });
  }
}
