/** What {@link maskSource} leaves of a TypeScript file. Same length and line breaks as the source, so offsets fit both. */
export interface MaskedSource {
  readonly source: string;
  /** Comments, the insides of strings, templates and regular expressions replaced by spaces; quotes stay. */
  readonly code: string;
}

type Mode = "code" | "line" | "block" | "'" | '"' | "template" | "regex";

// A slash after one of these begins a regular expression, after anything else it divides.
const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|await|yield|else|do|void|delete|instanceof))\s*$/;

/** Blanks everything in a source that is not code, so that a plain pattern over `code` cannot be fooled by comments and strings. */
export function maskSource(source: string): MaskedSource {
  let code = "";
  let mode: Mode = "code";
  let inClass = false;
  /** Brace depth at which each open `${` ends. */
  const holes: number[] = [];
  let depth = 0;
  const keep = (text: string): void => {
    code += text;
  };
  const blank = (text: string): void => {
    code += text.replace(/[^\n]/g, " ");
  };
  for (let i = 0; i < source.length; i++) {
    const c = source[i] as string;
    const two = source.slice(i, i + 2);
    if (mode === "code") {
      if (two === "//" || two === "/*") {
        mode = two === "//" ? "line" : "block";
        blank(two);
        i++;
      } else if (c === "/" && BEFORE_REGEX.test(code.slice(-40))) {
        mode = "regex";
        inClass = false;
        keep(c);
      } else if (c === "'" || c === '"' || c === "`") {
        mode = c === "`" ? "template" : c;
        keep(c);
      } else if (c === "}" && holes.at(-1) === depth) {
        holes.pop();
        mode = "template";
        blank(c);
      } else {
        if (c === "{") depth++;
        else if (c === "}") depth--;
        keep(c);
      }
    } else if (mode === "line") {
      if (c === "\n") mode = "code";
      blank(c);
    } else if (mode === "block") {
      if (two === "*/") {
        mode = "code";
        blank(two);
        i++;
      } else blank(c);
    } else if (c === "\\") {
      blank(source.slice(i, i + 2));
      i++;
    } else if (mode === "template") {
      if (two === "${") {
        holes.push(depth);
        mode = "code";
        blank(two);
        i++;
      } else if (c === "`") {
        mode = "code";
        keep(c);
      } else blank(c);
    } else if (mode === "regex") {
      if (c === "[") inClass = true;
      else if (c === "]") inClass = false;
      if (c === "/" && !inClass) {
        mode = "code";
        keep(c);
      } else blank(c);
    } else if (c === mode || c === "\n") {
      mode = "code";
      keep(c);
    } else blank(c);
  }
  return { source, code };
}

/** 1-based line of an offset. */
export function lineAt(source: string, offset: number): number {
  let line = 1;
  for (let i = source.indexOf("\n"); i >= 0 && i < offset; i = source.indexOf("\n", i + 1)) line++;
  return line;
}
