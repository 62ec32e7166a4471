// Every page, in both themes: a picture, axe (in the dark one for what differs, the colours), and how heavy it is.

import { accessible, expect, open, shot, weight } from "./lib.mjs";

const TOPICS = ["n", "nb", "grid", "panel", "broadcast", "depth", "swap", "storage", "residual", "peak", "work"];

/** What everybody may see. */
export const OPEN_TO_ALL = [
  "/", "/signup", "/login", "/recover", "/learn", "/learn/glossary", "/learn/first-linpack", "/learn/first-linpack?step=2",
  "/learn/first-linpack?step=3", ...TOPICS.map((topic) => `/learn/${topic}?n=12000&nb=192&p=2&q=3`), "/submit", "/sweeps/new",
  "/queue", "/jobs", "/results", "/explore", "/explore?x=nb", "/explore?x=grid", "/compare", "/leaderboard", "/leaderboard/hpl",
  "/nodes", "/limits", "/about-score", "/no/such/page",
];

/** A name for the file of an address. */
function named(address) {
  const [path, query] = address.split("?");
  const parts = path.split("/").filter(Boolean).map((part) => (/^[0-9a-f-]{36}$/.test(part) ? "x" : part));
  const step = query?.match(/step=(\d)/)?.[1] ?? query?.match(/\bx=(\w+)/)?.[1];
  return [...parts, step].filter(Boolean).join("-") || "home";
}

export async function everything(browser, size, who, addresses, settings) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await open(browser, size, { colorScheme, ...settings });
    const page = await context.newPage();
    let heaviest = [0, ""];
    for (const address of addresses) {
      const bytes = await weight(page, address);
      if (bytes > heaviest[0]) heaviest = [bytes, address];
      const name = `${colorScheme}-${who}-${named(address)}`;
      await shot(page, size, name);
      await accessible(page, `${size.name} ${colorScheme} ${address}`, colorScheme === "dark");
      const refused = address !== "/no/such/page" && (await page.getByText(/^Status [45]\d\d/).count()) > 0;
      expect(!refused, `${address}: an error page for ${who}`);
    }
    await context.close();
    console.log(`${size.name}, ${colorScheme}, ${who}: ${addresses.length} pages; the heaviest ${(heaviest[0] / 1000).toFixed(0)} kB (${heaviest[1].split("?")[0]})`);
  }
}
