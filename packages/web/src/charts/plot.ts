import { type PlotOptions, plot } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type Html, html, trusted } from "../html.ts";

/** What a picture says to those who do not see it. */
export interface ChartText {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

const WIDE = 600;

/**
 * Draws a plot as inline SVG without script. Colours given as `var(--name)` follow the page's light and dark styles; Plot's own style element is
 * dropped, the page's style speaks for the class `plot`.
 */
export function drawPlot(text: ChartText, options: PlotOptions): Html {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const svg = plot({ ...options, document, className: "plot" });
  for (const style of svg.querySelectorAll("style")) style.remove();
  // One name and one description for the whole: the names of its groups would only be noise.
  for (const group of svg.querySelectorAll("[aria-label]")) group.removeAttribute("aria-label");
  for (const empty of svg.querySelectorAll("text")) if (empty.childNodes.length === 0) empty.remove();
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-labelledby", `${text.id}-t`);
  svg.setAttribute("aria-describedby", `${text.id}-d`);
  const width = Number(options.width);
  // Letters of one size on the page: a narrow chart does not grow with its frame.
  if (width <= WIDE) svg.setAttribute("style", `${svg.getAttribute("style") ?? ""};max-width:${Math.round(width * 1.15)}px`);
  const outer = nameClips(shorten(svg.outerHTML), text.id);
  const open = outer.indexOf(">") + 1;
  const heading = html`<title id="${text.id}-t">${text.title}</title><desc id="${text.id}-d">${text.description}</desc>`;
  const drawing = trusted(outer.slice(0, open) + heading.text + outer.slice(open));
  // A wide chart would be too small to read on a telephone: there it scrolls in its own frame.
  return width > WIDE ? html`<div class="wide" role="region" aria-label="${text.title}" tabindex="0">${drawing}</div>` : drawing;
}

/** Coordinates to a tenth of a pixel: Plot writes up to 17 digits. */
function shorten(svg: string): string {
  const rounded = (value: string): string =>
    value.replace(/-?\d+\.\d{2,}/g, (digits) => String(Number(Number(digits).toFixed(1))));
  return svg.replace(/ (d|transform|x|y|x1|x2|y1|y2|width|height|cx|cy|r|dx|dy)="([^"]*)"/g, (_, name: string, value: string) => {
    return ` ${name}="${name === "dx" || name === "dy" ? value : rounded(value)}"`;
  });
}

/** Plot counts its clip paths over the life of the process: named by the chart instead, the same report gives the same page. */
function nameClips(svg: string, id: string): string {
  const seen = new Map<string, string>();
  return svg.replace(/(id="|url\(#)plot-clip-(\d+)/g, (_, before: string, number: string) => {
    const name = seen.get(number) ?? `${id}-clip-${seen.size}`;
    seen.set(number, name);
    return before + name;
  });
}
