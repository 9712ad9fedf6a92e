import { type Html, type HtmlPart, html, trusted } from "./html.ts";
import { type Look, lookOf, type MarkSymbol, nameOf, type ReportView } from "./view.ts";

/** A chapter of the page. */
export interface Section {
  /** Fragment identifier. */
  readonly id: string;
  readonly title: string;
  /** What the reader learns here, in one or two sentences. */
  readonly lead?: HtmlPart;
  readonly body: HtmlPart;
}

/** A column of a table. */
export interface Column {
  readonly title: HtmlPart;
  /** Numbers stand to the right with digits of one width. */
  readonly number?: boolean;
}

/** Table with headings; the first cell of each row is the row's heading. Wide tables scroll in their own frame. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly { readonly cells: readonly HtmlPart[]; readonly mark?: string }[],
): Html {
  const kind = (i: number): Html => (columns[i]?.number ? trusted(' class="num"') : trusted(""));
  const head = columns.map((c, i) => html`<th scope="col"${kind(i)}>${c.title}</th>`);
  const body = rows.map(({ cells, mark }) => {
    const all = cells.map((cell, i) =>
      i === 0 ? html`<th scope="row"${kind(0)}>${cell}</th>` : html`<td${kind(i)}>${cell}</td>`,
    );
    return html`<tr${mark === undefined ? undefined : html` class="${mark}"`}>${all}</tr>`;
  });
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption><thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}

/** Picture with its caption. */
export function figure(content: HtmlPart, caption: HtmlPart, kind = ""): Html {
  return html`<figure class="${kind}">${content}<figcaption>${caption}</figcaption></figure>`;
}

/** Folded part; printing opens it. */
export function fold(summary: HtmlPart, content: HtmlPart): Html {
  return html`<details><summary>${summary}</summary><div class="folded">${content}</div></details>`;
}

/** Names and values. */
export function facts(rows: readonly (readonly [HtmlPart, HtmlPart])[]): Html {
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** Passed, failed or doubtful: a word in a frame, never colour alone. */
export function badge(text: string, mood: "good" | "bad" | "warn" | "plain"): Html {
  return html`<span class="badge ${mood}">${text}</span>`;
}

/** Second, quieter line of a table cell. */
export function small(part: HtmlPart): Html {
  return html`<small>${part}</small>`;
}

const SHAPES = {
  circle: '<circle cx="14" cy="7" r="4"/>',
  square: '<path d="M10.4 3.4h7.2v7.2h-7.2z"/>',
  triangle: '<path d="M14 2.4l4.6 8h-9.2z"/>',
  diamond: '<path d="M14 1.8l4.6 5.2l-4.6 5.2l-4.6-5.2z"/>',
  star: '<path d="M14.0 1.0L15.4 5.1L19.7 5.1L16.3 7.7L17.5 11.9L14.0 9.4L10.5 11.9L11.7 7.7L8.3 5.1L12.6 5.1z"/>',
  cross: '<path d="M12.2 2.2h3.6v3h3v3.6h-3v3h-3.6v-3h-3v-3.6h3z"/>',
} as const satisfies Record<MarkSymbol, string>;

/** The sample of a candidate's line and mark, as charts draw them. */
export function swatch(look: Look): Html {
  const dash = look.dash === "" ? trusted("") : html` stroke-dasharray="${look.dash}"`;
  return html`<svg class="swatch" viewBox="0 0 28 14" width="28" height="14" aria-hidden="true"><g fill="${look.colour}" stroke="${look.colour}"><path d="M0 7h28" fill="none" stroke-width="1.6"${dash}/>${trusted(SHAPES[look.symbol])}</g></svg>`;
}

/** A candidate's name with its sample. */
export function candidateName(view: ReportView, id: string): Html {
  return html`<span class="who">${swatch(lookOf(view, id))}<span>${nameOf(view, id)}</span></span>`;
}

/** Legend of candidates. */
export function legend(view: ReportView, ids: readonly string[]): Html {
  return html`<p class="legend">${ids.map((id) => candidateName(view, id))}</p>`;
}
