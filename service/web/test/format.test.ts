// The words for numbers, with the examples that the service is tested with.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, count, duration, figure, fixed, percent, rate, tick } from "../src/lib/format.ts";
import words from "./words.json" with { type: "json" };

const FORMS: Record<keyof typeof words, (value: number) => string> = {
  figure,
  rate,
  duration,
  bytes,
  percent,
  ago: (value) => ago(0, value),
};

for (const kind of Object.keys(words) as (keyof typeof words)[]) {
  test(`${kind} as the service has it`, () => {
    for (const [value, said] of words[kind] as [number, string][]) assert.equal(FORMS[kind](value), said);
  });
}

test("what is no number is said", () => {
  assert.deepEqual([NaN, Infinity, -Infinity].map(figure), ["nan", "inf", "-inf"]);
  assert.equal(duration(NaN), "unknown");
  assert.equal(percent(null), "not known");
});

test("half way goes to the even digit, as in Rust", () => {
  const said = [0.5, 1.5, 2.5, -0.5, -2.5].map((value) => fixed(value, 0));
  assert.deepEqual(said, ["0", "2", "2", "-0", "-2"]);
  assert.deepEqual([fixed(0.125, 2), fixed(0.375, 2), fixed(0.15, 1), fixed(1e22, 1)], ["0.12", "0.38", "0.1", "1e+22"]);
});

test("one and many", () => {
  assert.deepEqual([0, 1, 2].map((n) => count(n, "job", "jobs")), ["0 jobs", "1 job", "2 jobs"]);
});

test("an axis has no digits that say nothing", () => {
  assert.deepEqual([0, 35, 5.25, 0.1, 12345.6, -1500, 2.5e12].map(tick), ["0", "35", "5.25", "0.1", "12,350", "-1,500", "2.5000e+12"]);
});
