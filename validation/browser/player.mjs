// Plays people and nodes over HTTP against a service of its own: what a page needs to be looked at without a real run.
// The README's "whole life of a job" tells the same in curl lines.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const PASSWORD = "seven purple kettles";
/** Events that a node may bring in one call. */
const EVENTS = 256;
/** Bytes of a piece of a log. */
const PIECE = 256 << 10;

const freePort = () =>
  new Promise((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });

/** A service in a scratch folder, on a port of its own. */
export async function start(program, flags = []) {
  const data = mkdtempSync(join(tmpdir(), "hpl-frames-"));
  const address = `127.0.0.1:${await freePort()}`;
  const given = ["serve", "--data", data, "--plain-http", "--listen", address, "--no-rate-limits", "--log", "warn", ...flags];
  const child = spawn(program, given, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, RUST_LOG: "" } });
  const url = `http://${address}`;
  for (let tries = 0; ; tries += 1) {
    const there = await fetch(`${url}/healthz`).then((answer) => answer.ok, () => false);
    if (there) break;
    if (tries > 300 || child.exitCode !== null) throw new Error("the service does not start");
    await new Promise((later) => setTimeout(later, 100));
  }
  const stop = () => {
    child.kill("SIGTERM");
    rmSync(data, { recursive: true, force: true });
  };
  const admin = (...args) => execFileSync(program, ["admin", "--data", data, ...args], { encoding: "utf8" });
  return { url, stop, admin };
}

async function call(url, method, token, body, type = "application/json") {
  const headers = { "content-type": type };
  if (token) headers.authorization = `Bearer ${token}`;
  const sent = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  const answer = await fetch(url, { method, headers, body: method === "GET" ? undefined : sent });
  const said = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${said}`);
  return said === "" ? null : JSON.parse(said);
}

/** Somebody who signs up; the cookies of their session and a token. */
export async function person(service, username) {
  const json = { "content-type": "application/json", origin: service.url };
  const answer = await fetch(`${service.url}/api/v1/signup`, {
    method: "POST",
    headers: json,
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  if (!answer.ok) throw new Error(`sign up: ${answer.status} ${await answer.text()}`);
  const cookies = answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]);
  const made = await fetch(`${service.url}/api/v1/me/tokens`, {
    method: "POST",
    headers: { ...json, cookie: cookies.join("; ") },
    body: JSON.stringify({ name: "player", scopes: ["read", "submit"] }),
  });
  const { token } = await made.json();
  const submit = (run) => call(`${service.url}/api/v1/jobs`, "POST", token, run).then((answer) => answer.jobs[0].id);
  const cookie = () => cookies.map((pair) => ({ name: pair.split("=")[0], value: pair.slice(pair.indexOf("=") + 1), url: service.url }));
  return { token, submit, cookie };
}

/** A node that has joined and said hello. */
export async function node(service, name, peak = 120) {
  const text = service.admin("join-token", "--trusted");
  const join = /^hpl-join.*:\/\/(.*)@/m.exec(text)[1];
  const at = `${service.url}/agent/v1`;
  const { node, token } = await call(`${at}/join`, "POST", join, { protocol: 1, name, machine_id: name });
  const info = {
    hostname: name, os: "Debian GNU/Linux 13", kernel_release: "6.12.4", cpu_model: "Test CPU", packages: 1, cores: 4,
    pus: 4, numa_nodes: 1, caches: [], memory_total: 2 ** 34, memory_available: 15 * 2 ** 30, huge_pages: "madvise",
    kernel: "avx2", kernels: ["avx2"], peak: { gflops: peak, cores: 4, seconds: 1 }, program: "xhpl", version: "0.1.0",
  };
  const hello = { protocol: 1, version: "player", machine_id: name, boot_id: "b", info, free_disk: 2 ** 40, holding: [] };
  await call(`${at}/nodes/${node}/hello`, "POST", token, hello);
  let seq = 0;
  const claim = async () => {
    const asked = { boot_id: "b", memory_available: 15 * 2 ** 30, free_disk: 2 ** 40, seq: (seq += 1) };
    const got = await call(`${at}/claim?wait=0`, "POST", token, asked);
    return got === null ? null : attempt(`${at}/attempts/${got.attempt}`, got);
  };
  return { id: node, claim };
}

/** What a node does with a job. */
function attempt(root, got) {
  const { token, fence } = got;
  let [events, beats, written] = [0, 0, { out: 0, err: 0 }];
  const tell = async (happened) => {
    for (let from = 0; from < happened.length; from += EVENTS) {
      const part = happened.slice(from, from + EVENTS).map((event) => ({ seq: (events += 1), at_ms: events, event }));
      await call(`${root}/events`, "POST", token, { fence, events: part });
    }
  };
  const beat = (more = {}) => call(`${root}/beat`, "POST", token, { fence, seq: (beats += 1), phase: "running", ...more });
  const log = async (text, stream = "out") => {
    const bytes = new TextEncoder().encode(text);
    for (let from = 0; from < bytes.length; from += PIECE) {
      const piece = bytes.slice(from, from + PIECE);
      const where = `${root}/log/${stream}?fence=${fence}&offset=${written[stream]}`;
      await call(where, "PUT", token, piece, "application/octet-stream");
      written[stream] += piece.length;
    }
  };
  const finish = (outcome) =>
    call(`${root}/finish`, "POST", token, { fence, events, outcome, evidence: null, files: [] });
  return { job: got.job, tell, beat, log, finish, events: () => events };
}

/** The progress of a run of `steps` panels after step `n`: work by the cube of what is left, a rate that falls. */
export function progress(n, steps, whole = 600) {
  const left = 1 - n / steps;
  const rate = 90 * (1 - 0.35 * (n / steps) ** 3);
  const wobble = 4 * Math.sin(n / 37) + 3 * Math.sin(n * 12.9898);
  const fraction = 1 - left ** 3;
  return { kind: "progress", fraction, seconds: whole * fraction, score: rate + 2, score_now: Math.max(1, rate + wobble) };
}
