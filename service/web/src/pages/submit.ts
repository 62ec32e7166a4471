// The page Submit: what the run would take, as one types. It is asked of the service 250 ms after the last key; an
// answer that a newer question has overtaken is dropped. Nothing moves above or in the field that is typed in, and the
// focus stays where it is.
import { newest, post, type FieldProblem } from "../lib/api.ts";
import { all, calmly, find, make, need, on, show, text } from "../lib/dom.ts";
import { lines, predicted, sentence, share, type Estimate } from "../lib/estimate.ts";

/** Milliseconds after the last key. */
const TYPED = 250;
/** Milliseconds of quiet after which it is said aloud. */
const HEARD = 1500;
/** The fields of the form that are no parameters. */
const AROUND = ["csrf", "once", "way", "title", "visibility", "walltime_s", "node", "cores", "labels", "input"];
/** Characters of an address that still comes through everywhere. */
const MOST_ADDRESS = 6000;

type Typed = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const forms = [need("#fields", HTMLFormElement), need("#pasting", HTMLFormElement)] as const;
const panel = need("#panel", HTMLElement);
const says = need("#price-says", HTMLElement);
const dat = need("#dat", HTMLElement);
const bar = need("#membar", SVGRectElement);
const runs = need("#runs", HTMLDetailsElement);
const ranks = need("#ranks", HTMLElement);
const ask = newest();
const say = calmly(HEARD, (words: string) => text(need("#said", HTMLElement), words));
/** What a form shows while nothing is asked. */
const usual = { says: says.textContent ?? "", dat: dat.textContent ?? "" };

function typedIn(form: HTMLFormElement): Typed[] {
  return all("input[name], select[name], textarea[name]", HTMLElement, form) as Typed[];
}

function valueOf(form: HTMLFormElement, name: string): string {
  return typedIn(form).find((field) => field.name === name)?.value.trim() ?? "";
}

/** What is typed, as the wire has it; what is no number is left as it is, so that the service says what is wrong. */
function onTheWire(field: Typed): string | number | boolean {
  const value = field.value.trim();
  const kind = field.dataset["kind"];
  if (kind === "flag") return value === "true";
  if (kind === "number" && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return Number(value);
  return value;
}

/** A whole number that the service would not even read otherwise; NaN where it is none. */
function whole(form: HTMLFormElement, name: string): number | null {
  const value = valueOf(form, name);
  return value === "" ? null : /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
}

function request(form: HTMLFormElement): { body: unknown; wrong: FieldProblem[] } {
  const wrong: FieldProblem[] = [];
  const number = (name: string): number | null => {
    const value = whole(form, name);
    if (!Number.isNaN(value)) return value;
    wrong.push({ field: name, message: `found “${valueOf(form, name).slice(0, 60)}”; expected a number, such as 600` });
    return null;
  };
  const pasted = valueOf(form, "way") === "paste";
  const parameters = typedIn(form)
    .filter((field) => !AROUND.includes(field.name) && field.value.trim() !== "")
    .map((field) => [field.name, onTheWire(field)]);
  const node = valueOf(form, "node");
  const labels = valueOf(form, "labels")
    .split(/[, ]+/)
    .filter((label) => label !== "");
  const body = {
    benchmark: "hpl",
    ...(pasted ? { input: valueOf(form, "input") } : { parameters: Object.fromEntries(parameters) }),
    needs: { ...(node === "" ? {} : { node }), cores: number("cores"), labels },
    visibility: valueOf(form, "visibility"),
    walltime_s: number("walltime_s"),
    title: valueOf(form, "title"),
  };
  return { body, wrong };
}

/** The field of the form that something is said of, as the service's own page has it. */
function fieldOf(problem: FieldProblem, otherwise: string): string {
  const { field } = problem;
  if (field === "parameters") return otherwise;
  if (field.startsWith("input")) return "input";
  return field.replace(/^(parameters|needs)\./, "");
}

/** Puts what is wrong and what is doubtful below the fields. */
function mark(form: HTMLFormElement, wrong: readonly FieldProblem[], doubts: readonly FieldProblem[]): void {
  const at = (problems: readonly FieldProblem[], name: string, otherwise: string): string =>
    problems
      .filter((problem) => fieldOf(problem, otherwise) === name)
      .map((problem) => problem.message)
      .join("; ");
  for (const field of typedIn(form)) {
    const place = find(`#at-${field.name}`, HTMLElement, form);
    if (place === null) continue;
    const [error, doubt] = [at(wrong, field.name, "n"), at(doubts, field.name, "q")];
    if (error === "") field.removeAttribute("aria-invalid");
    else field.setAttribute("aria-invalid", "true");
    field.classList.toggle("doubted", error === "" && doubt !== "");
    const said = `${error}\n${doubt}`;
    if (place.dataset["said"] === said) continue;
    place.dataset["said"] = said;
    const words = [
      ...(error === "" ? [] : [make("p", { class: "wrong", id: `wrong-${field.name}` }, error)]),
      ...(doubt === "" ? [] : [make("p", { class: "doubtful" }, doubt)]),
    ];
    place.replaceChildren(...words);
  }
}

/** P × Q ranks, beside the cores of the node. */
function countRanks(node: string | null): void {
  const [form] = forms;
  const [p, q] = [whole(form, "p") ?? 1, whole(form, "q") ?? 1];
  if (!(p > 0 && q > 0)) return text(ranks, "");
  const words = `P × Q = ${String(p * q).replace(/\B(?=(\d{3})+$)/g, "\u202f")} ${p * q === 1 ? "rank" : "ranks"}`;
  const options = all("#f-node option", HTMLOptionElement);
  const chosen = options.find((option) => option.value !== "" && option.value === (node ?? valueOf(form, "node")));
  const { name, cores } = chosen?.dataset ?? {};
  text(ranks, name === undefined ? `${words}.` : `${words}; ${name} has ${cores ?? ""} cores.`);
}

/** Where to log in, so that what is typed comes along; and presets for the node that is chosen. */
function keepAddresses(form: HTMLFormElement): void {
  const kept = typedIn(form).filter((field) => !["csrf", "once"].includes(field.name) && field.value.trim() !== "");
  const query = new URLSearchParams(kept.map((field) => [field.name, field.value]));
  if (query.toString().length > MOST_ADDRESS) query.delete("input");
  const next = `/submit?${query.toString().replace(/\+/g, "%20")}`;
  for (const link of all("a[data-log-in]", HTMLAnchorElement)) link.href = `/login?next=${encodeURIComponent(next)}`;
  const node = valueOf(forms[0], "node");
  for (const link of all(".presets a", HTMLAnchorElement)) {
    const address = new URL(link.href);
    if (address.searchParams.get("preset") === "expert") {
      link.href = `${next}&preset=expert`;
      continue;
    }
    if (node === "") address.searchParams.delete("node");
    else address.searchParams.set("node", node);
    link.href = address.href;
  }
}

function fill(said: Estimate): void {
  for (const [key, words] of Object.entries(lines(said))) {
    const place = find(`[data-live="${key}"]`, HTMLElement, panel);
    if (place) text(place, words);
  }
  const part = share(said);
  bar.setAttribute("width", String(Math.round(100 * part)));
  bar.classList.toggle("much", part > 0.95);
  text(dat, said.runs[0]?.inputs["HPL.dat"] ?? usual.dat);
  const many = said.runs.length > 1;
  if (many) {
    const rows = said.runs.map((run) => make("li", {}, `${run.label}: ${predicted(run.seconds)}`));
    need("ol", HTMLOListElement, runs).replaceChildren(...rows);
  }
  show(runs, many);
}

async function price(form: HTMLFormElement): Promise<void> {
  keepAddresses(form);
  countRanks(null);
  const pasted = form === forms[1];
  if (valueOf(form, pasted ? "input" : "n") === "") {
    mark(form, [], []);
    return;
  }
  const { body, wrong } = request(form);
  panel.classList.add("old");
  const answer = await ask((signal) => post<Estimate>("/api/v1/estimate", body, signal));
  if (answer === null) return;
  panel.classList.remove("old");
  if (!answer.ok) {
    text(says, answer.problem.detail);
    return;
  }
  const said = answer.value;
  const errors = [...wrong, ...said.errors];
  mark(form, errors, said.warnings);
  fill(said);
  if (!pasted) countRanks(said.node?.id ?? null);
  const general = errors.find((problem) => problem.field === "")?.message;
  const words = errors.length === 0 ? "Nothing has started yet." : "Something is wrong: see the fields.";
  text(says, general ?? words);
  say(sentence({ ...said, errors }));
}

for (const form of forms) {
  const typed = calmly(TYPED, () => void price(form));
  on(form, "input", () => typed());
  on(form, "change", () => typed());
}
if (valueOf(forms[0], "n") !== "") void price(forms[0]);
else if (valueOf(forms[1], "input") !== "") void price(forms[1]);
else keepAddresses(forms[0]);
