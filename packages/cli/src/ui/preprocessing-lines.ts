import type { Estimate, PreprocessingCheck } from "@tessera/core/protocol/report";
import { far as farText, percent } from "./format.ts";
import { renderTable } from "./table.ts";

/** Pre-processing mistakes that were tried on a model, as lines of text. */
export function preprocessingLines(name: string, check: PreprocessingCheck): readonly string[] {
  const right = (title: string) => ({ title, right: true });
  const signed = (value: number, digits: number): string => `${value >= 0 ? "+" : ""}${value.toFixed(digits)}`;
  const gain = (e: Estimate | undefined, times: number): string =>
    e === undefined ? "" : `${signed(e.value * times, 2)} (${signed(e.low * times, 2)}..${signed(e.high * times, 2)})`;
  const { basis } = check;
  const confidence = check.variants.find((v) => v.dPrimeGain !== undefined)?.dPrimeGain?.confidence ?? 0.99;
  return [
    "",
    `${check.questioned ? "PRE-PROCESSING QUESTIONED, " : ""}${name}: ${check.says}`,
    ...(check.variants.length === 0
      ? []
      : [
          renderTable(
            [
              { title: "pre-processing" },
              right("d'"),
              right(basis === undefined ? "TAR" : `TAR@${farText(basis.far)}`),
              right(`d' gained (${Math.round(confidence * 100)} %)`),
              right("TAR gained, points"),
              { title: "so it is" },
            ],
            check.variants.map((v) => [
              v.name,
              v.dPrime.toFixed(2),
              v.tar === undefined ? "" : percent(v.tar),
              gain(v.dPrimeGain, 1),
              gain(v.tarGain, 100),
              v.declared ? "" : (v.verdict ?? ""),
            ]),
          ),
        ]),
    ...(basis === undefined ? [] : [`on ${basis.crops} faces of ${basis.people} people`]),
  ];
}
