// Points of several groups in one order, each known again.
import assert from "node:assert/strict";
import { test } from "node:test";
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
