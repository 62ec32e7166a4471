// Results that are chosen to stand side by side, and the scatter plot that is looked at and clicked on.
//
//   <form data-pick>              boxes `results`; says how many are chosen, and marks their rows
//     <tr data-x data-at data-y data-group>   a point: its places, what is written at x, the number of its group
//   <figure data-scatter data-along data-unit data-groups data-log>   is drawn anew from those rows
//
// Without a script the form and the picture that the service drew do the same.
import { afterPaint, all, find, on, show, text } from "../lib/dom.ts";
import { count } from "../lib/format.ts";
import type { Point } from "../lib/scatter.ts";

const LEAST = 2;
const MOST = 8;
/** The marks of the groups, in the order in which the service draws them. */
const SHAPES = ["circle", "square", "triangle", "diamond", "down", "cross"] as const;

/** A form whose boxes choose results. */
interface Choice {
  readonly form: HTMLFormElement;
  readonly boxes: readonly HTMLInputElement[];
  /** To be called after each change. */
  changed(): void;
  /** Who is told of it. */
  readonly told: (() => void)[];
}

function choice(form: HTMLFormElement): Choice {
  const boxes = all("input[name=results]", HTMLInputElement, form);
  const bar = find(".pick-bar", HTMLElement, form);
  const button = find("button:not([type=button])", HTMLButtonElement, form);
  const none = find("[data-unpick]", HTMLButtonElement, form);
  const said = find("[data-picked]", HTMLElement, form);
  const chosen: Choice = {
    form,
    boxes,
    told: [],
    changed: () => {
      const number = boxes.filter((box) => box.checked).length;
      for (const box of boxes) box.closest("tr")?.classList.toggle("chosen", box.checked);
      bar?.classList.toggle("any", number > 0);
      if (none) show(none, number > 0);
      if (said) text(said, words(number));
      // The button stays one that can be reached: what is wrong is said beside it, and by the page it leads to.
      button?.setAttribute("aria-disabled", String(number < LEAST || number > MOST));
      for (const tell of chosen.told) tell();
    },
  };
  on(form, "change", () => chosen.changed());
  on(form, "submit", (event) => {
    const number = boxes.filter((box) => box.checked).length;
    if (number < LEAST || number > MOST) event.preventDefault();
  });
  if (none) {
    on(none, "click", () => {
      for (const box of boxes) box.checked = false;
      chosen.changed();
      boxes[0]?.focus({ preventScroll: true });
    });
  }
  // The back button brings boxes back that were ticked.
  on(window, "pageshow", () => chosen.changed());
  chosen.changed();
  return chosen;
}

function words(number: number): string {
  if (number === 0) return `Choose ${LEAST} to ${MOST} of them.`;
  if (number < LEAST) return `${count(number, "result is", "results are")} chosen: choose one more at least.`;
  if (number > MOST) return `${number} results are chosen: ${MOST} fit side by side at most.`;
  return `${number} results are chosen.`;
}

/** A row of the table as a point. */
interface Spot {
  readonly x: number;
  readonly y: number;
  readonly row: HTMLTableRowElement;
  readonly box: HTMLInputElement;
}

function spotsOf(form: HTMLFormElement, groups: number, names: Map<number, string>): Spot[][] {
  const spots: Spot[][] = Array.from({ length: groups }, () => []);
  for (const row of all("tr[data-x]", HTMLTableRowElement, form)) {
    const box = find("input[name=results]", HTMLInputElement, row);
    const [x, y] = [Number(row.dataset["x"]), Number(row.dataset["y"])];
    if (box) spots[Number(row.dataset["group"])]?.push({ x, y, row, box });
    names.set(x, row.dataset["at"] ?? "");
  }
  return spots;
}

/** A point in words: what its row says. */
function said(spot: Spot | undefined): string {
  if (!spot) return "";
  const name = (spot.box.getAttribute("aria-label") ?? "").replace(/^Compare /, "");
  const more = all("td.tells", HTMLElement, spot.row).map((cell) => (cell.textContent ?? "").replace(/\s+/g, " ").trim());
  return [name, ...more, spot.box.checked ? "chosen" : ""].filter((one) => one !== "").join(", ");
}

async function draw(figure: HTMLElement, chosen: Choice): Promise<void> {
  // Only pages with points pay for what draws them.
  const { Scatter } = await import("../lib/scatter.ts");
  const { along = "", unit = "", groups = "", log = "" } = figure.dataset;
  const labels = groups === "" ? [] : groups.split("\n");
  const names = new Map<number, string>();
  const spots = spotsOf(chosen.form, labels.length, names);
  const at = (point: Point): Spot | undefined => spots[point.group]?.[point.index];
  const host = document.createElement("div");
  figure.prepend(host);
  figure.classList.add("drawn");
  const grid = along.includes("×");
  const scatter = new Scatter(host, {
    title: `${unit} against ${along}: ${count(spots.flat().length, "result", "results")}`,
    height: 340,
    x: { label: along, log: log.includes("x"), format: grid ? (value) => names.get(value) ?? "" : String },
    y: { label: unit, log: log.includes("y") },
    groups: labels.map((label, i) => ({ label, colour: (i % SHAPES.length) + 1, shape: SHAPES[i % SHAPES.length] ?? "circle" })),
    describe: (point) => said(at(point)),
    picked: (point) => {
      const box = at(point)?.box;
      if (!box) return;
      box.checked = !box.checked;
      chosen.changed();
    },
    ringed: (point) => at(point)?.box.checked ?? false,
  });
  chosen.told.push(() => scatter.redraw());
  scatter.setData(spots.map((group) => ({ x: group.map((spot) => spot.x), y: group.map((spot) => spot.y) })));
}

const choices = all("form[data-pick]", HTMLFormElement).map(choice);
const figure = find("figure[data-scatter]", HTMLElement);
// The service's own picture is seen first: what draws anew would keep it waiting.
const [first] = choices;
if (figure && first) afterPaint(() => void draw(figure, first));
