import type { Section } from "./blocks.ts";
import { type Html, html, trusted } from "./html.ts";
import { STYLES } from "./styles.ts";

/** What a page is made of. */
export interface Page {
  readonly title: Html;
  /** Id of the chapter with the figures. */
  readonly skipTo: string;
  /** Words that stay on top while one scrolls. */
  readonly strip?: string;
  /** What stands before the chapters. */
  readonly head: Html;
  readonly sections: readonly Section[];
  readonly tool: { readonly name: string; readonly version: string };
}

/**
 * One self-contained HTML page: no script, no external resource, light and dark, ready for print.
 */
export function renderPage({ title, skipTo, strip, head, sections, tool }: Page): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${trusted(STYLES)}</style>
</head>
<body>
<a class="skip" href="#${skipTo}">Skip to the figures</a>
${strip === undefined ? undefined : html`<div class="strip" aria-hidden="true">${strip}</div>`}
<div class="page">
<nav class="contents" aria-label="Contents"><ol>${sections.map((s) => html`<li><a href="#${s.id}">${s.title}</a></li>`)}</ol></nav>
<main>
${head}
${sections.map(renderSection)}
<footer><p>Made by ${tool.name} ${tool.version} from <code>report.json</code>, which holds every figure of this page.</p></footer>
</main>
</div>
</body>
</html>
`;
  return page.text;
}

function renderSection(section: Section): Html {
  return html`<section class="chapter" id="${section.id}" aria-labelledby="${section.id}-h">
<h2 id="${section.id}-h">${section.title}</h2>
${section.lead === undefined ? undefined : html`<p class="lead">${section.lead}</p>`}
${section.body}
</section>
`;
}
