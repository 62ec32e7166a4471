// What a submission would take: the words of the estimate, as src/http/pages/submit/price.rs has them.
import type { FieldProblem } from "./api.ts";
import { bytes, count, duration, figure, fixed, score } from "./format.ts";

/** The answer of POST /api/v1/estimate, as far as pages show it. */
export interface Estimate {
  readonly ok: boolean;
  readonly errors: readonly FieldProblem[];
  readonly warnings: readonly FieldProblem[];
  readonly runs: readonly RunEstimate[];
  readonly cost: { readonly runs: number; readonly seconds: number | null; readonly walltime_s: number };
  readonly node: { readonly id: string; readonly name: string } | null;
  readonly basis: string;
  readonly position: number;
  readonly waits: { readonly code: string; readonly why: string; readonly position: number | null } | null;
  readonly quota: {
    readonly running_max: number;
    readonly running: number;
    readonly queued_max: number;
    readonly queued: number;
    readonly recent_node_hours: number;
  };
}

/** One run of it. */
export interface RunEstimate {
  readonly label: string;
  readonly bytes_per_rank: number;
  readonly bytes_per_node: number;
  readonly node_bytes: number | null;
  readonly work: number;
  readonly seconds: number | null;
  readonly score: number | null;
  readonly inputs: Readonly<Record<string, string>>;
}

const NOTHING = "–";

/** A predicted time. */
export function predicted(seconds: number | null): string {
  return seconds === null ? "cannot be predicted yet" : `about ${duration(seconds)}`;
}

function basis(said: Estimate): string {
  const node = said.node?.name ?? "a node";
  if (said.basis === "history") return `earlier runs of about this size on ${node}`;
  if (said.basis === "peak") {
    return `80 % of what the cores of ${node} can reach at most; there is no earlier run to go by`;
  }
  return "nothing: no node that fits has been measured yet";
}

/** The part of the node's memory that a run takes, from 0 to 1; 0 where it is not known. */
export function share(said: Estimate): number {
  const [run] = said.runs;
  return run?.node_bytes ? Math.min(1, run.bytes_per_node / run.node_bytes) : 0;
}

function memory(run: RunEstimate): string {
  if (run.node_bytes === null) return bytes(run.bytes_per_node);
  const percent = fixed((100 * run.bytes_per_node) / run.node_bytes, 0);
  return `${bytes(run.bytes_per_node)} of ${bytes(run.node_bytes)}: ${percent} %`;
}

/** Whether a run would wait, and why. */
function waits({ waits }: Estimate): string {
  if (waits === null) return "no";
  return waits.code === "next" && waits.position === 0 ? "no: a node is free" : `yes: ${waits.why}`;
}

/** What stands in each place of the panel, by its key. */
export function lines(said: Estimate): Readonly<Record<string, string>> {
  const { quota, cost, runs } = said;
  const always = {
    position: count(said.position, "job", "jobs"),
    queued: `${quota.queued} of ${quota.queued_max} used`,
    running: `${quota.running} of ${quota.running_max} used`,
    used: figure(Math.round(quota.recent_node_hours * 1000) / 1000),
  };
  const [run] = runs;
  if (run === undefined) {
    const empty = ["seconds", "score", "basis", "rank_memory", "node_memory", "work", "walltime", "waits"];
    return { ...always, ...Object.fromEntries(empty.map((key) => [key, NOTHING])) };
  }
  const single = runs.length === 1;
  const work = runs.reduce((sum, one) => sum + one.work, 0);
  return {
    ...always,
    seconds: single ? predicted(cost.seconds) : `${count(cost.runs, "run", "runs")}: ${predicted(cost.seconds)}`,
    score: single && run.score !== null ? `about ${score(run.score)}` : NOTHING,
    basis: basis(said),
    rank_memory: bytes(run.bytes_per_rank),
    node_memory: memory(run),
    work: `${figure(work)} Gflop`,
    walltime: duration(cost.walltime_s),
    waits: waits(said),
  };
}

/** The whole in a sentence, for those who hear it. */
export function sentence(said: Estimate): string {
  const wrong = said.errors.length;
  if (wrong > 0) return `${count(wrong, "field is", "fields are")} wrong: ${said.errors[0]?.message ?? ""}`;
  const [run] = said.runs;
  if (run === undefined) return "";
  const runs = said.runs.length > 1 ? `${count(said.cost.runs, "run", "runs")}, ` : "";
  const doubts = said.warnings.length;
  const notes = doubts > 0 ? `, ${count(doubts, "note", "notes")}` : "";
  return `${runs}${predicted(said.cost.seconds)}, memory ${memory(run)}${notes}`;
}
