// The queue, kept up to date: what the service made is taken anew when a job moves, and now and then as time passes.
import { on } from "../lib/dom.ts";
import { followQueue } from "../lib/events.ts";
import { renewing } from "../live/parts.ts";

document.documentElement.classList.add("lives");

/** Milliseconds between two looks at most, and at least: times go on though nothing moves. */
const RENEW = 2000;
const FRESH = 15_000;

const all = new URLSearchParams(location.search).get("all") === "1" ? "&all=1" : "";
const renew = renewing(`/queue?still=1${all}`, RENEW);
followQueue({ events: renew, reset: renew });
setInterval(() => {
  if (!document.hidden) renew();
}, FRESH);
on(document, "visibilitychange", () => {
  if (!document.hidden) renew();
});
