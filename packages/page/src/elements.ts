import { SENTENCES, type SentenceKey } from "./sentences.ts";

/** The element of the page with this id. A missing one is a mistake of the page itself, told at once. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`Cannot find the element #${id}`);
  return element as E;
}

/** A new element with attributes and children. Text goes in as text: nothing here ever parses HTML. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A table with a caption and column heads; the first cell of a row is its head. */
export function makeTable(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly (Node | string)[])[],
): HTMLTableElement {
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make(
      "tbody",
      {},
      ...rows.map((cells) =>
        make("tr", {}, ...cells.map((cell, i) => (i === 0 ? make("th", { scope: "row" }, cell) : make("td", {}, cell)))),
      ),
    ),
  );
}

/** Where the static page names a sentence, and what it is set as. */
const PLACES = [
  ["data-say", (element: Element, text: string) => element.append(text)],
  ["data-say-label", (element: Element, text: string) => element.setAttribute("aria-label", text)],
] as const;

/** Fills every sentence into the static page. */
export function fillSentences(): void {
  for (const [attribute, fill] of PLACES) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      fill(element, SENTENCES[element.getAttribute(attribute) as SentenceKey]);
    }
  }
}

/** Sets text only when it differs, so that a live region does not say the same again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
