// What every part of the walk uses: the browser, windows that notice what must not happen, pictures, and axe.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";

export const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    url: { type: "string" },
    operator: { type: "string", default: "grace" },
    password: { type: "string", default: "seven purple kettles" },
    browser: { type: "string", default: process.env.HPL_BROWSER ?? "/usr/bin/chromium" },
    out: { type: "string", default: join(here, "../../target/browser") },
  },
});
if (!values.url) {
  console.error("usage: node validation/browser/walk.mjs --url https://127.0.0.1:PORT [--operator NAME] [--password WORDS] [--browser FILE] [--out FOLDER]");
  process.exit(2);
}
export const options = values;
export const PASSWORD = options.password;
mkdirSync(options.out, { recursive: true });

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
];
export const SIZES = [
  { name: "phone", width: 390, height: 844 },
  { name: "desktop", width: 1280, height: 900 },
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// A job that goes on renews its page where no script runs; a link beside the words makes it stand still, which the rule
// cannot see.
const AXE_OPTIONS = {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  rules: { "meta-refresh": { enabled: false } },
};
const AXE_COLOURS = { runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] } };
// A page with its styles and scripts, as they cross the wire: pages themselves are sent as they are.
const HEAVY = 150_000;

const wrong = new Set();
export const expect = (truth, words) => {
  if (!truth) wrong.add(words);
};

/** All that was found wrong. */
export const findings = () => [...wrong];

/** The browser. */
export const launch = () => chromium.launch({ executablePath: options.browser, headless: true, args: FLAGS });

/**
 * A browser window of its own, in which nothing from anywhere else may be loaded, nothing may be said on the console and
 * no policy broken. Errors that are the answer to what the walk does, a wrong password, an unknown address, are no fault.
 */
export async function open(browser, size, settings) {
  const viewport = { width: size.width, height: size.height };
  const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true, baseURL: options.url, ...settings });
  context.setDefaultTimeout(20_000);
  context.on("request", (request) => {
    const from = new URL(request.url());
    const ours = from.origin === new URL(options.url).origin || ["data:", "blob:"].includes(from.protocol);
    expect(ours, `something was asked of ${from.origin}`);
  });
  context.on("console", (message) => {
    const text = message.text();
    const answer = /the server responded with a status of 4\d\d/.test(text);
    if ((message.type() === "error" && !answer) || text.includes("Content Security Policy")) {
      expect(false, `${message.location().url}: the console says: ${text}`);
    }
  });
  context.on("weberror", (error) => expect(false, `${error.page()?.url()}: ${error.error()}`));
  return context;
}

export async function heading(page, words) {
  const found = (await page.locator("h1").allInnerTexts()).join(" | ");
  expect(found.includes(words), `${page.url()}: the heading is “${found}”, expected “${words}”`);
}

/** A picture of the page, which must not be wider than its window. */
export async function shot(page, size, name) {
  // Parts far down are laid out when one comes near; a picture of the whole page has them all, and axe looks at them.
  const unfold = () => document.querySelectorAll(".below").forEach((part) => (part.style.contentVisibility = "visible"));
  await page.evaluate(unfold).catch(() => undefined);
  await page.screenshot({ path: join(options.out, `${size.name}-${name}.png`), fullPage: true });
  const room = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth).catch(() => 0);
  expect(room <= 0, `${size.name} ${name}: the page is ${room} px wider than the window`);
}

/** What axe finds on the page; of its colours alone where the page was looked at in others before. */
export async function accessible(page, name, coloursAlone = false) {
  // Evaluated by the debugger, which the policy of the page does not bind.
  await page.evaluate(AXE);
  const settings = coloursAlone ? AXE_COLOURS : AXE_OPTIONS;
  const found = await page.evaluate((settings) => window.axe.run(document, settings), settings);
  for (const rule of found.violations) {
    const where = rule.nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary.replace(/\s+/g, " ")}`);
    expect(false, `${name}: ${rule.id} (${rule.impact}): ${rule.help}\n    ${where.join("\n    ")}`);
  }
}

/** Bytes of an answer as it was sent. */
async function onTheWire(response) {
  const body = await response.body();
  return (await response.headerValue("content-encoding")) === "gzip" ? gzipSync(body).length : body.length;
}

/** Bytes of the page with its styles and scripts. */
export async function weight(page, address) {
  const loaded = [];
  const note = (response) => {
    if (["document", "stylesheet", "script"].includes(response.request().resourceType())) loaded.push(response);
  };
  page.on("response", note);
  await page.goto(address);
  await page.waitForLoadState("load");
  page.off("response", note);
  const sizes = await Promise.all(loaded.map(onTheWire));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  expect(all < HEAVY, `${address}: page, styles and scripts are ${all} bytes on the wire, ${HEAVY} are allowed`);
  return all;
}

export async function signUp(page, name) {
  await page.goto("/signup");
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign up" }).click();
  await heading(page, "Your recovery codes");
}

export async function logIn(page, name) {
  await page.goto("/login");
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("You are logged in.").waitFor();
}
