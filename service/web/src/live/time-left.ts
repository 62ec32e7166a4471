// How long a run still takes, by its own rates: the same as src/ops/jobs/eta_left.rs, which says why it is so.
// test/time-left.json holds examples that both sides are tested with.
import type { Progress } from "../lib/events.ts";

/** Seconds from now on: hardly less, likely, hardly more. */
export interface Span {
  readonly early: number;
  readonly likely: number;
  readonly late: number;
}

/** Before this part of the work is done, a run's own rate tells too little. */
const TOO_EARLY = 0.005;
/** What comes after the solve: check and delivery. */
const AFTER: Span = { early: 1, likely: 3, late: 20 };

/** How long the solve still takes; null where it cannot be told yet. */
export function solveLeft(progress: Progress): Span | null {
  const { fraction, seconds, score, score_now: now } = progress;
  if (!(fraction >= TOO_EARLY) || !(seconds > 0) || !Number.isFinite(seconds)) return null;
  const rest = Math.max(0, 1 - fraction);
  const soFar = (seconds * rest) / fraction;
  // A single step may be far off: it counts for at most half or twice the rate so far.
  const ratio = score > 0 && now > 0 ? Math.min(2, Math.max(0.5, score / now)) : 1;
  const doubt = 0.05 + 0.25 * rest;
  return {
    early: (1 - doubt) * Math.min(soFar, soFar * ratio),
    likely: (soFar + soFar * ratio) / 2,
    late: (1 + doubt) * Math.max(soFar, soFar * ratio),
  };
}

/** How long until the node is free again. */
export function timeLeft(progress: Progress): Span | null {
  const solve = solveLeft(progress);
  if (solve === null) return null;
  return { early: solve.early + AFTER.early, likely: solve.likely + AFTER.likely, late: solve.late + AFTER.late };
}

/** When the solve will have ended, in seconds since it began, and with which score. */
export function projected(progress: Progress): { readonly seconds: number; readonly score: number } | null {
  const left = solveLeft(progress);
  if (left === null) return null;
  const seconds = progress.seconds + left.likely;
  // The work is the score times the time, so far and in all.
  return { seconds, score: (progress.score * progress.seconds) / progress.fraction / seconds };
}

/** `in about 12 min (between 8 and 20 min)`. */
export function words(span: Span): string {
  if (span.late < 10) return "in a few seconds";
  const about = span.likely < 10 ? "in a few seconds" : `in about ${rough(span.likely)}`;
  const [a, one] = rounded(span.early);
  const [b, other] = rounded(span.late);
  if (a === "0") return `${about} (${b} ${other} at most)`;
  if (one !== other) return `${about} (between ${a} ${one} and ${b} ${other})`;
  return a === b ? about : `${about} (between ${a} and ${b} ${other})`;
}

/** A time as one would say it. */
export function rough(seconds: number): string {
  return rounded(seconds).join(" ");
}

function rounded(seconds: number): [string, string] {
  const [minute, hour, day] = [60, 3600, 86_400];
  if (seconds < 10) return [String(Math.round(seconds)), "s"];
  if (seconds < 1.5 * minute) return [String(5 * Math.round(seconds / 5)), "s"];
  if (seconds < 10 * minute) return [String(Math.round((seconds / minute) * 2) / 2), "min"];
  if (seconds < 1.5 * hour) return [String(Math.round(seconds / minute)), "min"];
  if (seconds < 10 * hour) return [String(Math.round((seconds / hour) * 2) / 2), "h"];
  if (seconds < 2 * day) return [String(Math.round(seconds / hour)), "h"];
  return [String(Math.round(seconds / day)), "d"];
}
