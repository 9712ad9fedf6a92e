import fc from "fast-check";
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { escapeHtml, html, joinHtml } from "./html.ts";

describe("the template", () => {
  it("gives any text back through a parser, in text and in an attribute, and lets nothing out of its place", () => {
    const printable = fc
      .string({ unit: "grapheme" })
      .filter((t) => !/\p{Cc}|\p{Cs}|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(t));
    const hostile = fc.constantFrom('"><script>x</script>', "' onload='x", "&lt;b&gt;", "</title>", "<!--", "]]>", "&amp;amp;");
    fc.assert(
      fc.property(
        fc.oneof(
          printable,
          hostile,
          fc.tuple(printable, hostile).map((p) => p.join("")),
        ),
        (text) => {
          const { document } = parseHTML(`<!doctype html><html><body>${html`<p title="${text}">${text}</p>`.text}</body></html>`);
          const p = document.querySelector("p");
          expect(document.querySelectorAll("*").length).toBe(3);
          expect(p?.textContent).toBe(text);
          expect(p?.getAttribute("title")).toBe(text);
          expect(p?.attributes.length).toBe(1);
        },
      ),
    );
  });

  it("shows characters that change the direction of writing or steer terminals as U+FFFD", () => {
    expect(escapeHtml("invoice\u202egnp.exe\u0000\u009b")).toBe("invoice\ufffdgnp.exe\ufffd\ufffd");
  });

  it("keeps finished HTML, joins lists and prints nothing for undefined", () => {
    expect(html`<ul>${["a", "<b>"].map((t) => html`<li>${t}</li>`)}${undefined}${3}</ul>`.text).toBe(
      "<ul><li>a</li><li>&lt;b&gt;</li>3</ul>",
    );
    expect(joinHtml(["a&b", html`<i>c</i>`], html`<br>`).text).toBe("a&amp;b<br><i>c</i>");
  });
});
