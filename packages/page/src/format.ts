import { say } from "./sentences.ts";

/** Milliseconds as people read them: "0.42 ms", "4.2 ms", "42 ms", "1.3 s". */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0)} ms`;
}

/** Seconds that remain, rounded up: "7 s", "2 min 5 s". */
export function formatCountdown(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return say("secondsShort", { seconds: whole });
  return say("minutesShort", { minutes: Math.floor(whole / 60), seconds: whole % 60 });
}

/** A number with so many decimals and a true minus, so that columns line up; never "-0". */
export function formatNumber(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  return `${value < 0 && Number(text) !== 0 ? "\u2212" : ""}${text}`;
}

/** Day and time of an RFC 3339 text in the reader's own way; the text itself when it is no date. */
export function formatDate(text: string, locale?: string): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  return date.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}
