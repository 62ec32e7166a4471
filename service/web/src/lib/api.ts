// Calls of the service's API. Nothing here throws: an answer is a value or a problem.

/** What is wrong with one field; `field` is its name on the wire, empty if it is about the whole. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

/** Why there is no value: the service's problem+json, or `status` 0 where no answer came. */
export interface Problem {
  readonly status: number;
  /** A stable word: the service's, or `unreachable`, `unreadable`, `outdated`. */
  readonly code: string;
  readonly title: string;
  /** What happened and what to do, for people. */
  readonly detail: string;
  readonly errors: readonly FieldProblem[];
}

/** What came of a call. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

/** GET of JSON. The type is the caller's word for what the OpenAPI document says of the route. */
export function get<T>(url: string, signal?: AbortSignal): Promise<Answer<T>> {
  return call("GET", url, undefined, signal);
}

/** POST of JSON with the session of the page. */
export function post<T>(url: string, body: unknown, signal?: AbortSignal): Promise<Answer<T>> {
  return call("POST", url, body, signal);
}

/** PUT of JSON with the session of the page. */
export function put<T>(url: string, body: unknown, signal?: AbortSignal): Promise<Answer<T>> {
  return call("PUT", url, body, signal);
}

/** DELETE with the session of the page. */
export function remove<T>(url: string, signal?: AbortSignal): Promise<Answer<T>> {
  return call("DELETE", url, undefined, signal);
}

/**
 * For requests of which only the newest counts, as while somebody types: each call aborts the one before, whose answer
 * is then null.
 */
export function newest(): <T>(ask: (signal: AbortSignal) => Promise<Answer<T>>) => Promise<Answer<T> | null> {
  let current: AbortController | undefined;
  return async (ask) => {
    current?.abort();
    const mine = new AbortController();
    current = mine;
    const answer = await ask(mine.signal);
    return mine === current && !mine.signal.aborted ? answer : null;
  };
}

async function call<T>(method: string, url: string, body: unknown, signal?: AbortSignal): Promise<Answer<T>> {
  const headers: Record<string, string> = { accept: "application/json" };
  const request: RequestInit = { method, headers, credentials: "same-origin", signal: signal ?? null };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response: Response;
  let said: string;
  try {
    response = await fetch(url, request);
    said = await response.text();
  } catch {
    if (signal?.aborted) return failed(0, "outdated", "a newer request took its place");
    return failed(0, "unreachable", "The service cannot be reached. Look at the network and try again.");
  }
  const value = parsed(said);
  if (response.ok && (said === "" || value !== undefined)) return { ok: true, value: value as T };
  if (response.ok) return failed(response.status, "unreadable", "The service gave an answer that cannot be read.");
  return { ok: false, problem: problemOf(response.status, value) };
}

function parsed(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    return undefined;
  }
}

/** A body of problem+json as a [`Problem`], whatever it lacks. */
export function problemOf(status: number, body: unknown): Problem {
  const of = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const word = (name: string, otherwise: string): string => {
    const found = of[name];
    return typeof found === "string" && found !== "" ? found : otherwise;
  };
  const isField = (one: unknown): one is FieldProblem =>
    typeof one === "object" && one !== null && "field" in one && "message" in one;
  const errors = Array.isArray(of["errors"]) ? of["errors"].filter(isField) : [];
  const title = word("title", `The service answered ${status}`);
  return { status, code: word("code", "unreadable"), title, detail: word("detail", title), errors };
}

function failed(status: number, code: string, detail: string): Answer<never> {
  return { ok: false, problem: { status, code, title: detail, detail, errors: [] } };
}
