// Points of several groups in one order, each known again; and where an axis of powers of ten begins and ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRound } from "../src/lib/chart.ts";
import { merge } from "../src/lib/scatter.ts";

test("points are put in order and know where they came from", () => {
  const groups = [
    { x: [3, 1, NaN], y: [30, 10, 5] },
    { x: Float64Array.of(2, 1, 4), y: Float64Array.of(20, 11, NaN) },
  ];
  assert.deepEqual(merge(groups), {
    x: [1, 1, 2, 3],
    ys: [[10, null, null, 30], [null, 11, 20, null]],
    from: [
      { group: 0, index: 1 },
      { group: 1, index: 1 },
      { group: 1, index: 0 },
      { group: 0, index: 0 },
    ],
  });
  assert.deepEqual(merge([]), { x: [], ys: [], from: [] });
});

test("the next round number is never the number itself", () => {
  assert.deepEqual([2000, 1, 0.003, 7, 50, 90000].map((value) => nextRound(value, -1)), [1000, 0.5, 0.002, 5, 20, 50000]);
  assert.deepEqual([2000, 1, 0.003, 7, 50, 90000].map((value) => nextRound(value, 1)), [5000, 2, 0.005, 10, 100, 100000]);
});
