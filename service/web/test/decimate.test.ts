// Fewer points, the same picture.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decimate } from "../src/lib/decimate.ts";

const wave = (n: number): Float64Array => Float64Array.from({ length: n }, (_, i) => Math.sin(i / 50));

test("few points stay as they are, and NaN becomes a gap", () => {
  const picture = decimate([1, 2, 3], [[1, NaN, 3], [NaN, 5, 6]], 100);
  assert.deepEqual(picture, { x: [1, 2, 3], ys: [[1, null, 3], [null, 5, 6]] });
  assert.deepEqual(decimate([], [[]], 100), { x: [], ys: [[]] });
});

test("many points become two a pixel at most, in order, with every peak", () => {
  const n = 100_000;
  const x = Float64Array.from({ length: n }, (_, i) => i);
  const y = wave(n);
  y[43_210] = 9;
  y[77_777] = -9;
  const { x: left, ys } = decimate(x, [y, wave(n)], 600);
  assert.ok(left.length <= 2 * 600 + 2 && left.length > 600, `${left.length}`);
  assert.ok(left.every((at, i) => i === 0 || at >= (left[i - 1] ?? 0)));
  assert.deepEqual(ys.map((row) => row.length), [left.length, left.length]);
  const row = ys[0] as number[];
  assert.deepEqual([Math.max(...row), Math.min(...row)], [9, -9]);
  assert.deepEqual([left[0], left.at(-1), row.at(-1)], [0, n - 1, y[n - 1]]);
});

test("a peak stands on its side of the dip", () => {
  const x = Array.from({ length: 1000 }, (_, i) => i);
  const y = x.map((i) => (i === 3 ? 10 : i === 6 ? -10 : 0));
  const row = decimate(x, [y], 10).ys[0] ?? [];
  assert.ok(row.indexOf(10) >= 0 && row.indexOf(10) < row.indexOf(-10));
});

test("points at one place, points far apart and gaps", () => {
  const same = decimate(Array(1000).fill(5), [Array.from({ length: 1000 }, (_, i) => i)], 10);
  assert.deepEqual([same.x, same.ys[0]], [[5, 5, 5], [0, 998, 999]]);
  // All but one within the first pixel: nothing is drawn where nothing is.
  const far = [...Array.from({ length: 999 }, (_, i) => i / 1000), 1e12];
  assert.deepEqual(decimate(far, [far], 10).x, [0, 0.998, 1e12]);
  const none = decimate(far, [far.map(() => NaN)], 10);
  assert.deepEqual(none.ys[0], [null, null, null]);
});
