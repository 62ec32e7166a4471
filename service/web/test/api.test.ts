// Calls never throw: whatever happens is an answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, get, newest, post, problemOf } from "../src/lib/api.ts";

function answer(act: (url: string, request: RequestInit) => Promise<Response> | Response): void {
  globalThis.fetch = async (url, request) => act(String(url), request ?? {});
}

function problem(of: Answer<unknown> | null) {
  assert.ok(of !== null && !of.ok);
  return of.problem;
}

test("a value is a value, and a body is JSON with the page's session", async () => {
  const seen: RequestInit[] = [];
  answer((_, request) => {
    seen.push(request);
    return Response.json({ n: 5 });
  });
  assert.deepEqual(await get<{ n: number }>("/a"), { ok: true, value: { n: 5 } });
  assert.deepEqual(await post("/a", { n: 1 }), { ok: true, value: { n: 5 } });
  const [asked, sent] = seen;
  assert.deepEqual([asked?.method, asked?.body, asked?.credentials], ["GET", undefined, "same-origin"]);
  assert.deepEqual([sent?.method, sent?.body], ["POST", '{"n":1}']);
  assert.equal((sent?.headers as Record<string, string>)["content-type"], "application/json");
  answer(() => new Response(null, { status: 204 }));
  assert.equal((await get("/a")).ok, true);
});

test("the service's problem is passed on, field by field", async () => {
  const body = { code: "invalid", title: "Not valid", detail: "N is too large", errors: [{ field: "n", message: "x" }, 5] };
  answer(() => Response.json(body, { status: 422 }));
  const errors = [{ field: "n", message: "x" }];
  const expected = { status: 422, code: "invalid", title: "Not valid", detail: "N is too large", errors };
  assert.deepEqual(problem(await get("/a")), expected);
});

test("whatever else comes is said in words", async () => {
  answer(() => new Response("<html>", { status: 502 }));
  assert.deepEqual([problem(await get("/a")).status, problem(await get("/a")).code], [502, "unreadable"]);
  answer(() => new Response("<html>"));
  assert.equal(problem(await get("/a")).code, "unreadable");
  answer(() => Promise.reject(new TypeError("network")));
  assert.deepEqual([problem(await get("/a")).status, problem(await get("/a")).code], [0, "unreachable"]);
  for (const strange of [null, 5, "x", [], { detail: 5, errors: {} }]) {
    const read = problemOf(500, strange);
    assert.deepEqual([read.errors, read.detail], [[], "The service answered 500"]);
  }
});

test("of requests while somebody types only the newest counts", async () => {
  const gates: (() => void)[] = [];
  answer(async (url, request) => {
    await new Promise<void>((go, stop) => {
      gates.push(go);
      request.signal?.addEventListener("abort", () => stop(new DOMException("aborted", "AbortError")));
    });
    return Response.json(url);
  });
  const ask = newest();
  const first = ask((signal) => get("/1", signal));
  const second = ask((signal) => get("/2", signal));
  gates.forEach((go) => go());
  assert.deepEqual([await first, await second], [null, { ok: true, value: "/2" }]);
});
