// Elements of the page: found with their type, listened to, changed only where something is different.

type Kind<E extends Element> = abstract new () => E;

/** The first element that `selector` finds below `within`, or null; null too if it is not of that kind. */
export function find<E extends Element>(selector: string, kind: Kind<E>, within: ParentNode = document): E | null {
  const found = within.querySelector(selector);
  return found instanceof kind ? found : null;
}

/** The same for what must be there: throws an error that names the selector. */
export function need<E extends Element>(selector: string, kind: Kind<E>, within: ParentNode = document): E {
  const found = within.querySelector(selector);
  if (found instanceof kind) return found;
  const what = found === null ? "nothing" : `<${found.localName}>`;
  throw new Error(`the page should have a ${kind.name} at "${selector}", and has ${what} there`);
}

/** All elements of that kind that `selector` finds. */
export function all<E extends Element>(selector: string, kind: Kind<E>, within: ParentNode = document): E[] {
  return [...within.querySelectorAll(selector)].filter((found): found is E => found instanceof kind);
}

/** The events of elements, and those of the document and the window that pages listen to. */
export type Events = HTMLElementEventMap &
  Pick<DocumentEventMap, "visibilitychange"> &
  Pick<WindowEventMap, "hashchange" | "popstate" | "pagehide" | "pageshow">;

/** Listens to an event of an element, the document or the window; the answer ends it. */
export function on<K extends keyof Events>(
  target: HTMLElement | SVGElement | Document | Window,
  type: K,
  heard: (event: Events[K]) => void,
  options?: AddEventListenerOptions,
): () => void {
  // The four kinds of targets agree on these events, which their common type does not say.
  const listener = heard as EventListener;
  target.addEventListener(type, listener, options);
  return () => target.removeEventListener(type, listener, options);
}

/** Sets an element's text, where it is another one: readers of live regions hear only what is new. */
export function text(element: Element, words: string): void {
  if (element.textContent !== words) element.textContent = words;
}

/** Shows or hides an element. */
export function show(element: HTMLElement, shown: boolean): void {
  if (element.hidden === shown) element.hidden = !shown;
}

/** A new HTML element with attributes and content; an attribute that is false is left out, true is empty. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number | boolean>> = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...content);
  return element;
}

/** The same for SVG. Use presentation attributes and classes: the pages' policy refuses `style`. */
export function makeSvg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number | boolean>> = {},
  ...content: (Node | string)[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  element.append(...content);
  return element;
}

function set(element: Element, attributes: Readonly<Record<string, string | number | boolean>>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Does `act` when the page, as it came, has been painted: at once where it is, or where the browser does not say; in a
 * hidden tab once it is shown.
 */
export function afterPaint(act: () => void): void {
  const [kind, first] = ["paint", "first-contentful-paint"];
  const painted = performance.getEntriesByName(first).length > 0;
  if (painted || !PerformanceObserver.supportedEntryTypes.includes(kind)) return act();
  const observer = new PerformanceObserver((seen) => {
    if (seen.getEntriesByName(first).length === 0) return;
    observer.disconnect();
    act();
  });
  observer.observe({ type: kind, buffered: true });
}

/** Does `act` once `ms` milliseconds have passed without another call; for what follows typing. */
export function calmly<A extends unknown[]>(ms: number, act: (...args: A) => void): (...args: A) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...args), ms);
  };
}
