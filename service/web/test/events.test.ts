// The stream of a job's events: in batches, once, to its end.
import { frame, frames, FakeSource, happen, stream } from "./browser.ts";
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { followJob, followQueue, type JobEvent, type JobState } from "../src/lib/events.ts";

const event = (seq: number): object => ({
  seq,
  at: 1000 + seq,
  kind: "progress",
  state: "running",
  job: "j",
  data: { kind: "progress", fraction: 0.5, seconds: seq, score: 1, score_now: 2 },
});

function heard() {
  const told: { batches: number[][]; resets: number; end: JobState[]; open: boolean[] } = {
    batches: [],
    resets: 0,
    end: [],
    open: [],
  };
  const listener = {
    events: (all: readonly JobEvent[]) => void told.batches.push(all.map((one) => one.seq)),
    reset: () => void (told.resets += 1),
    end: (state: JobState) => void told.end.push(state),
    connected: (open: boolean) => void told.open.push(open),
  };
  return { told, listener };
}

beforeEach(() => {
  frames.clear();
  FakeSource.opened = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("ten thousand events between two frames are one batch", () => {
  const { told, listener } = heard();
  const following = followJob("a b", listener, 7);
  assert.equal(stream().url, "/api/v1/jobs/a%20b/events?after=7");
  for (let seq = 8; seq < 10_008; seq += 1) stream().tell(seq, "progress", event(seq));
  assert.deepEqual([told.batches.length, frames.size], [0, 1]);
  frame();
  assert.deepEqual([told.batches.length, told.batches[0]?.length, told.batches[0]?.[0]], [1, 10_000, 8]);
  frame();
  mock.timers.tick(5000);
  assert.equal(told.batches.length, 1);
  following.close();
});

test("a hidden page draws no frames and is told all the same", () => {
  const { told, listener } = heard();
  const following = followJob("j", listener);
  stream().tell(1, "created", event(1));
  mock.timers.tick(1000);
  assert.deepEqual(told.batches, [[1]]);
  assert.equal(frames.size, 0);
  following.close();
});

test("the end comes after all events, closes the stream, and nothing follows", () => {
  const { told, listener } = heard();
  followJob("j", listener);
  stream().tell(1, "verified", event(1));
  stream().tell(1, "end", { state: "done" });
  assert.deepEqual([told.batches, told.end, stream().readyState], [[[1]], ["done"], FakeSource.CLOSED]);
  frame();
  happen("pageshow", { persisted: true });
  mock.timers.tick(100_000);
  assert.deepEqual([told.batches.length, FakeSource.opened.length], [1, 1]);
});

test("a reset forgets what was not told yet", () => {
  const { told, listener } = heard();
  const following = followJob("j", listener, 90);
  stream().tell(91, "progress", event(91));
  stream().tell(0, "reset", {});
  stream().tell(1, "created", event(1));
  frame();
  assert.deepEqual([told.resets, told.batches], [1, [[1]]]);
  following.close();
});

test("a refused stream is asked for again, later each time, from the last event", () => {
  const { told, listener } = heard();
  const following = followJob("j", listener);
  stream().onopen?.();
  stream().tell(5, "progress", event(5));
  for (const wait of [3000, 6000, 12_000, 24_000, 48_000, 60_000, 60_000]) {
    const before = FakeSource.opened.length;
    stream().refuse();
    mock.timers.tick(wait - 1);
    assert.equal(FakeSource.opened.length, before);
    mock.timers.tick(1);
    assert.equal(stream().url, "/api/v1/jobs/j/events?after=5");
    assert.equal(FakeSource.opened.length, before + 1);
  }
  stream().onopen?.();
  assert.deepEqual([told.open[0], told.open.at(-2), told.open.at(-1)], [true, false, true]);
  stream().refuse();
  mock.timers.tick(3000);
  const opened = FakeSource.opened.length;
  following.close();
  stream().tell(6, "progress", event(6));
  frame();
  mock.timers.tick(100_000);
  assert.deepEqual([FakeSource.opened.length, told.batches], [opened, [[5]]]);
});

test("a page that is put away gives its stream back, and takes one when it is shown again", () => {
  const { listener } = heard();
  const following = followQueue(listener);
  assert.equal(stream().url, "/api/v1/events");
  stream().tell(900, "progress", event(3));
  happen("pagehide");
  assert.equal(stream().readyState, FakeSource.CLOSED);
  happen("pageshow", { persisted: false });
  assert.equal(FakeSource.opened.length, 1);
  happen("pageshow", { persisted: true });
  assert.equal(stream().url, "/api/v1/events?after=900");
  following.close();
});
