import type { Flip, Versus } from "@tessera/core/protocol/report";
import { badge, candidateName, fold, type Section, table } from "../blocks.ts";
import { count, counted, fixed, signedFixed, smallRate } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** Rows of each harmful kind that are not folded. */
const OPEN_ROWS = 5;

/** Decisions of the focus candidate that differ from FP32's, by file name; faces are never shown. */
export function flipsSection(view: ReportView): Section | undefined {
  const { focus } = view;
  if (focus?.versus === undefined) return undefined;
  return {
    id: "flips",
    title: "Decisions that flip",
    lead: html`Pairs on which ${candidateName(view, focus.id)} decides otherwise than FP32, each at its own threshold, nearest to the threshold first. Pairs go by file name.`,
    body:
      focus.versus.flips.length === 0
        ? html`<p class="needs">No FAR has enough comparisons to compare decisions at.</p>`
        : focus.versus.flips.map(flipsAt),
  };
}

function flipsAt(flips: Versus["flips"][number]): Html {
  const total = flips.newlyAccepted + flips.newlyRejected;
  const impostors =
    flips.impostorsNewlyAccepted > 0
      ? badge(`${counted(flips.impostorsNewlyAccepted, "impostor")} newly let in`, "bad")
      : badge("no impostor newly let in", "good");
  const head = html`<h3>FAR ${smallRate(flips.far)}</h3><p class="count">${count(total)} flipped: ${count(flips.newlyAccepted)} newly accepted, ${count(flips.newlyRejected)} newly rejected ${impostors}</p>`;
  if (flips.examples.length === 0) return head;
  // What a reviewer looks for first: strangers let in, then people turned away. The list comes ordered by distance to the threshold.
  const alarms = flips.examples.filter(isAlarm).slice(0, OPEN_ROWS);
  const losses = flips.examples.filter((f) => f.genuine && !f.accepted).slice(0, OPEN_ROWS);
  const open = [...alarms, ...losses];
  const rest = flips.examples.filter((f) => !open.includes(f));
  const left = total - flips.examples.length;
  return html`${head}${open.length === 0 ? undefined : flipTable(`Flips that harm, FAR ${smallRate(flips.far)}`, open)}${
    rest.length === 0 ? undefined : fold(`${rest.length} more`, flipTable(`More flips, FAR ${smallRate(flips.far)}`, rest))
  }${left > 0 ? html`<p class="quiet">${count(left)} further flips are not listed.</p>` : undefined}`;
}

const isAlarm = (flip: Flip): boolean => !flip.genuine && flip.accepted;

function flipTable(caption: string, flips: readonly Flip[]): Html {
  return table(
    caption,
    [
      { title: "Pair" },
      { title: "People" },
      { title: "FP32 score", number: true },
      { title: "Score", number: true },
      { title: "Shift", number: true },
      { title: "Now" },
    ],
    flips.map((f) => ({
      ...(isAlarm(f) ? { mark: "alarm" } : {}),
      cells: [
        html`<span class="file">${f.a}</span><span class="file">${f.b}</span>`,
        f.genuine ? "same" : "different",
        fixed(f.baselineScore, 4),
        fixed(f.score, 4),
        signedFixed(f.score - f.baselineScore, 4),
        nowBadge(f),
      ],
    })),
  );
}

function nowBadge(flip: Flip): HtmlPart {
  if (!flip.genuine) return flip.accepted ? badge("impostor let in", "bad") : badge("impostor turned away", "good");
  return flip.accepted ? badge("accepted", "good") : badge("turned away", "warn");
}
