// The tokens of forms look different on every page though they are worth the same; see `Guard` in the service.
import { all } from "./dom.ts";

/** Writes the page's own token into the forms of what was fetched anew, so that the same forms are the same. */
export function keepTokens(made: Element): void {
  const [own] = all('input[name="csrf"]', HTMLInputElement);
  if (own === undefined) return;
  for (const field of all('input[name="csrf"]', HTMLInputElement, made)) field.setAttribute("value", own.getAttribute("value") ?? "");
}
