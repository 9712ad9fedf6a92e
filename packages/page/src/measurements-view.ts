import type { LiveMessage, ModelEntry } from "@tessera/core/protocol/gateway-api";
import { byId, make, makeTable, setText } from "./elements.ts";
import type { Outcome } from "./flow.ts";
import { formatMs, formatNumber } from "./format.ts";
import { qualityFigures, qualityTables, type ScoreRow, type StageBar, scoreRows, stageBars } from "./measurements.ts";
import { MODALITIES, say } from "./sentences.ts";

/** The panel for developers. */
export interface MeasurementsView {
  show(outcome: Outcome): void;
  live(message: LiveMessage | undefined): void;
  models(models: readonly ModelEntry[]): void;
  /** Forgets what was measured of the last person. */
  clear(): void;
}

/** Binds the panel of measurements: stages as bars, scores against thresholds, figures of quality, models. */
export function measurementsView(): MeasurementsView {
  const body = byId("measurements-body");
  const box = byId("face-box");
  let outcome: Outcome | undefined;
  let models: readonly ModelEntry[] = [];

  const render = (): void => {
    const parts = outcome === undefined ? [make("p", {}, say("measurementsNone"))] : [...outcomeParts(outcome)];
    body.replaceChildren(...parts, ...modelParts(models));
  };

  render();
  return {
    show(next) {
      outcome = next;
      render();
    },
    live(message) {
      setText(byId("live-line"), message === undefined ? "" : liveText(message));
      const [x, y, width, height] = message?.quality.box ?? [0, 0, 0, 0];
      for (const [name, value] of Object.entries({ x, y, width, height })) box.setAttribute(name, String(value));
    },
    models(next) {
      models = next;
      render();
    },
    clear() {
      outcome = undefined;
      render();
    },
  };
}

function liveText(message: LiveMessage): string {
  const figures = qualityFigures(message).map(([name, value]) => `${name} ${value}`);
  const first = say("liveLine", { modality: MODALITIES[message.modality], time: formatMs(message.ms) });
  return [first, ...figures, ...message.notes.map(({ code }) => code)].join(" · ");
}

function* outcomeParts(outcome: Outcome): Generator<HTMLElement> {
  const answer = outcome.kind === "decision" ? outcome.decision : outcome.answer;
  yield make("h3", {}, say("stagesTitle"));
  yield make(
    "div",
    { class: "scroll" },
    makeTable(
      say("stagesCaption"),
      [say("stage"), say("stageTime"), say("stageBar")],
      [
        ...stageBars(answer.stages).map(stageRow),
        [say("stageTotal"), formatNumber(answer.totalMs, 1), ""],
        [say("stageRoundTrip"), formatNumber(outcome.roundTripMs, 1), ""],
      ],
    ),
  );
  yield make("h3", {}, say("scoresTitle"));
  const scores = scoreRows(answer);
  yield scores.length === 0
    ? make("p", {}, say("scoresHidden"))
    : make(
        "div",
        { class: "scroll" },
        makeTable(
          say("scoresCaption"),
          [say("scoreKind"), say("score"), say("threshold"), say("scoreMargin"), ""],
          scores.map(scoreCells),
        ),
      );
  for (const { modality, count, rows } of qualityTables(answer.modalities)) {
    yield make("h3", {}, say("qualityTitle", { modality: MODALITIES[modality] }));
    const heads = Array.from({ length: count }, (_, i) => (count === 1 ? say("qualityValue") : String(i + 1)));
    yield make("div", { class: "scroll" }, makeTable(say("qualityCaption"), [say("qualityFigure"), ...heads], rows));
  }
}

/** Inline styles set by script are the object model's, which the content security policy lets pass; a style attribute would be refused. */
function stageRow({ stage, lane, ms, start, share }: StageBar): readonly (Node | string)[] {
  const bar = make("span", { class: `bar ${lane}` });
  bar.style.marginInlineStart = `${(100 * start).toFixed(2)}%`;
  bar.style.inlineSize = `${(100 * share).toFixed(2)}%`;
  const whose = lane === "shared" ? say("stageShared") : MODALITIES[lane].toLowerCase();
  return [make("span", {}, stage, " ", make("small", {}, whose)), formatNumber(ms, 1), make("span", { class: "track" }, bar)];
}

function scoreCells({ what, score, threshold, at, thresholdAt }: ScoreRow): readonly (Node | string)[] {
  const scale = make("span", { class: "scale" });
  for (const [kind, place] of [
    ["mark", thresholdAt],
    ["point", at],
  ] as const) {
    if (place === undefined) continue;
    const sign = make("span", { class: kind });
    sign.style.insetInlineStart = `${(100 * place).toFixed(1)}%`;
    scale.append(sign);
  }
  const over = threshold === undefined ? "" : formatNumber(score - threshold, 3);
  return [what, formatNumber(score, 3), threshold === undefined ? "" : formatNumber(threshold, 3), over, scale];
}

function modelParts(models: readonly ModelEntry[]): readonly HTMLElement[] {
  if (models.length === 0) return [];
  const rows = models.map(({ role, name, runtime, sha256, licence }) => [
    role,
    make("span", {}, name, " ", make("small", { title: sha256 }, sha256.slice(0, 12))),
    runtime,
    licence,
  ]);
  return [
    make("h3", {}, say("modelsTitle")),
    make(
      "div",
      { class: "scroll" },
      makeTable(say("modelsCaption"), [say("modelRole"), say("modelName"), say("modelRuntime"), say("modelLicence")], rows),
    ),
  ];
}
