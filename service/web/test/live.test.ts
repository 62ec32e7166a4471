// The pure parts of the live page: time left, the curve's points, the lines of a log, search.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decimate } from "../src/lib/decimate.ts";
import type { Progress } from "../src/lib/events.ts";
import { CurveData } from "../src/live/curve-data.ts";
import { LogLines, pieces, Search } from "../src/live/log-lines.ts";
import { plainLine } from "../src/live/plain.ts";
import { projected, rough, solveLeft, timeLeft, words } from "../src/live/time-left.ts";
import examples from "./time-left.json";

const at = (seconds: number, fraction = 0.5): Progress => ({ fraction, seconds, score: 40, score_now: 40 + (seconds % 7) });

test("time left is what the service says", () => {
  for (const { progress, text, end, score } of examples.left) {
    const left = timeLeft(progress);
    assert.equal(left === null ? null : words(left), text);
    const to = projected(progress);
    for (const [found, expected] of [[to?.seconds, end], [to?.score, score]]) {
      assert.ok(expected == null ? found == null : Math.abs((found ?? 0) / expected - 1) < 1e-9, `${found} ${expected}`);
    }
  }
  for (const [seconds, text] of examples.rough) assert.equal(rough(Number(seconds)), text);
  assert.equal(solveLeft({ fraction: NaN, seconds: 1, score: 1, score_now: 1 }), null);
  assert.equal(solveLeft({ fraction: 1, seconds: 1, score: 1, score_now: 1 })?.late, 0);
});

test("a curve grows, projects its end, and begins anew with another try", () => {
  const curve = new CurveData(50, 4);
  for (let n = 1; n <= 1000; n += 1) curve.add(at(n, n / 2000));
  const { x, ys } = curve.rows(true);
  assert.deepEqual([x.length, ys[0].length, ys[3][1000]], [1001, 1001, 50]);
  assert.equal(x[999], 1000);
  assert.ok((x[1000] ?? 0) > 1900 && Number.isNaN(ys[0][1000]) && (ys[2][1000] ?? 0) > 30);
  assert.equal(ys[2][999], 40);
  assert.ok(ys[2].subarray(0, 999).every(Number.isNaN));
  // The projected end is no point of the run: the next one takes its place.
  curve.add(at(1001, 0.6));
  const later = curve.rows(true);
  assert.deepEqual([later.x[1000], later.ys[1][1000]], [1001, 40]);
  assert.ok(Number.isNaN(later.ys[2][999]));
  assert.equal(curve.rows(false).x.length, 1001);
  assert.ok(Number.isNaN(curve.rows(false).ys[2][1000]));
  curve.add(at(0.5, 0.01));
  assert.deepEqual([curve.length, curve.rows(false).x[0]], [1, 0.5]);
});

test("the projection outlives the thinning out of ten thousand points", () => {
  const curve = new CurveData();
  for (let n = 1; n <= 10_000; n += 1) curve.add(at(n / 10, n / 20_000));
  const { x, ys } = curve.rows(true);
  const drawn = decimate(x, ys, 600);
  assert.ok(drawn.x.length <= 1202);
  const ends = (drawn.ys[2] ?? []).filter((y) => y !== null);
  assert.ok(ends.length >= 2 && drawn.ys[2]?.at(-1) === ys[2][10_000], `${ends}`);
  assert.ok((drawn.ys[3] ?? []).every((y) => y === null));
});

test("what steers a terminal is taken out of lines", () => {
  for (const [raw, plain] of [
    ["\u001b[1;31mred\u001b[0m", "red"],
    ["\u001b]0;title\u0007after", "after"],
    ["\u001b]8;;http://evil\u001b\\link\u001b]8;;\u001b\\", "link"],
    ["\u001b]never ends", ""],
    ["\u001b(Bx\u001bcy\u001b", "xy"],
    ["10 %\r50 %\r100 %", "100 %"],
    ["ok\r", "ok"],
    ["a\u0000b\u0008c\td", "abc\td"],
    ["\u009b31mx\u202etxt", "xtxt"],
    ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ]) {
    assert.equal(plainLine(raw ?? ""), plain, JSON.stringify(raw));
  }
});

test("lines are cut wherever the pieces end, and kept up to a limit", () => {
  const text = "one\ntwo \u001b[1mbold\u001b[0m\nthree";
  const whole = new LogLines();
  whole.add(text);
  for (let cut = 0; cut <= text.length; cut += 1) {
    const lines = new LogLines();
    lines.add(text.slice(0, cut));
    lines.add(text.slice(cut));
    assert.deepEqual([0, 1, 2].map((n) => lines.line(n)), ["one", "two bold", "three"]);
    assert.equal(lines.count, whole.count);
  }
  const few = new LogLines(100);
  let gone = 0;
  for (let n = 0; n < 1000; n += 1) gone += few.add(`line ${n}\n`);
  assert.ok(few.count <= 111 && few.gone === gone && few.count + gone === 1000);
  assert.deepEqual([few.line(0), few.line(few.count - 1)], [`line ${gone}`, "line 999"]);
  const long = new LogLines();
  long.add("x".repeat(10_000));
  assert.deepEqual([long.count, long.line(0).length, long.line(2).length], [3, 4000, 2000]);
});

test("a search follows the log and goes round its end", () => {
  const lines = new LogLines();
  const search = new Search(lines);
  lines.add("Panel 1\nupdate\npanel 2\nup");
  search.look("PANEL");
  assert.deepEqual(search.found, [0, 2]);
  search.look("update");
  assert.deepEqual(search.found, [1]);
  lines.add("date\nmore\n");
  search.more();
  assert.deepEqual(search.found, [1, 3], "the open line grew into a hit");
  search.more();
  assert.deepEqual(search.found, [1, 3], "and is counted once");
  assert.deepEqual([search.step(1, false), search.step(3, false), search.step(1, true), search.step(2, true)], [3, 1, 3, 1]);
  search.look("");
  assert.deepEqual([search.found, search.step(0, false)], [[], -1]);
  const few = new LogLines(10);
  const followed = new Search(few);
  followed.look("7");
  for (let n = 0; n < 40; n += 1) followed.more(few.add(`${n}\n`));
  assert.deepEqual(followed.found.map((n) => few.line(n)), ["37"]);
});

test("hits are marked in their own letters", () => {
  assert.deepEqual(pieces("Panel and panel", "panel"), ["", "Panel", " and ", "panel", ""]);
  assert.deepEqual(pieces("nothing", "x"), ["nothing"]);
  assert.deepEqual(pieces("İstanbul", "i"), ["İstanbul"]);
});
