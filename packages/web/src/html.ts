/** A piece of finished HTML: whatever came from outside is already escaped. */
export interface Html {
  readonly kind: "html";
  readonly text: string;
}

/** What may stand in a template: text is escaped, lists are joined, nothing stands for nothing. */
export type HtmlPart = Html | string | number | undefined | readonly HtmlPart[];

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

// Control characters and halves of surrogate pairs are not allowed in HTML; the bidirectional ones would let a file name show as another one.
const UNSAFE = /(?![\t\n\r])\p{Cc}|\p{Cs}|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text as HTML text or as a quoted attribute's value; control and direction-changing characters show as U+FFFD. */
export function escapeHtml(text: string): string {
  return text.replace(UNSAFE, "\ufffd").replace(/[&<>"']/g, (c) => ENTITIES[c] as string);
}

/** HTML that is trusted as it stands: only for text that this package wrote. */
export function trusted(text: string): Html {
  return { kind: "html", text };
}

function textOf(part: HtmlPart): string {
  if (part === undefined) return "";
  if (typeof part === "string") return escapeHtml(part);
  if (typeof part === "number") return escapeHtml(String(part));
  return "kind" in part ? part.text : part.map(textOf).join("");
}

/** Tagged template for HTML: `` html`<b>${name}</b>` `` escapes the name. Attribute values must be quoted. */
export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  let text = strings[0] as string;
  parts.forEach((part, i) => {
    text += textOf(part) + strings[i + 1];
  });
  return { kind: "html", text };
}

/** Parts with a separator between them. */
export function joinHtml(parts: readonly HtmlPart[], separator: HtmlPart): Html {
  return trusted(parts.map(textOf).join(textOf(separator)));
}
