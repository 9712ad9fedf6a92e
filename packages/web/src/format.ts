const SUPERSCRIPT = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"];

/** Shown where a figure does not exist. */
export const NOTHING = "–";

function signed(value: number, text: string): string {
  // U+2212 is as wide as a digit, the hyphen is not.
  if (/^[0.]+$/.test(text)) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** Count with thousands separated: "7,260,000". */
export function count(value: number): string {
  return Number.isFinite(value) ? value.toLocaleString("en-US").replace("-", "−") : NOTHING;
}

/** "1 picture", "2 pictures": the plural adds an s. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Large counts shortened: "221 M". */
export function shortCount(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)} G`;
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  return count(value);
}

/** Size in decimal units: "4.01 MB". */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(2)} MB` : `${(value / 1e9).toFixed(2)} GB`;
}

/** Milliseconds, three digits: "6.21 ms". */
export function ms(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  return value >= 100 ? `${count(Math.round(value))} ms` : `${value.toPrecision(3)} ms`;
}

/** Fraction as percent: "97.12 %". */
export function percent(rate: number, digits = 2): string {
  return Number.isFinite(rate) ? `${(rate * 100).toFixed(digits).replace("-", "−")} %` : NOTHING;
}

/** Difference of two fractions in percentage points, with sign: "−0.41 pt". */
export function points(difference: number, digits = 2): string {
  return Number.isFinite(difference) ? `${signed(difference, Math.abs(difference * 100).toFixed(digits))} pt` : NOTHING;
}

/** Factor: "1.92×". */
export function times(factor: number, digits = 2): string {
  return Number.isFinite(factor) ? `${factor.toFixed(digits)}×` : NOTHING;
}

/** Plain number with a fixed number of digits. */
export function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : NOTHING;
}

/** Number with sign and a fixed number of digits: "+0.0021". */
export function signedFixed(value: number, digits: number): string {
  return Number.isFinite(value) ? signed(value, Math.abs(value).toFixed(digits)) : NOTHING;
}

function power(exponent: number): string {
  const digits = Array.from(String(Math.abs(exponent)), (d) => SUPERSCRIPT[Number(d)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** A small rate in powers of ten: "10⁻³", "5·10⁻⁴", "1.13·10⁻³". */
export function smallRate(rate: number): string {
  if (rate === 0) return "0";
  if (!Number.isFinite(rate) || rate < 0) return NOTHING;
  const [mantissa, exponent] = rate.toExponential(2).split("e") as [string, string];
  const short = String(Number(mantissa));
  return short === "1" ? power(Number(exponent)) : `${short}·${power(Number(exponent))}`;
}

/** Last part of a path with either kind of slash. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1) || path;
}

/** Name of a way of making intervals, as a phrase. */
export function methodName(method: string): string {
  return method.replaceAll("-", " ");
}

/** ISO time as "2026-11-22 15:36 UTC"; other text as it is. */
export function dateTime(iso: string): string {
  const found = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?Z$/.exec(iso);
  return found === null ? iso : `${found[1]} ${found[2]} UTC`;
}

/** Words that begin with a capital: "templates stay" as "Templates stay". */
export function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
