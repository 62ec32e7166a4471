// Walks through the pages as a newcomer: sign up, keep the recovery codes, log in, submit a run, see it on its page and
// look at the leaderboard. Once on a phone and once on a desktop, without scripts; then every page is seen again with
// scripts, for axe-core to check that everybody can use it. Screenshots go to target/browser.
//
//   node validation/browser/walk.mjs --url https://127.0.0.1:PORT

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    browser: { type: "string", default: process.env.HPL_BROWSER ?? "/usr/bin/chromium" },
    out: { type: "string", default: join(here, "../../target/browser") },
  },
});
if (!options.url) {
  console.error("usage: node validation/browser/walk.mjs --url https://127.0.0.1:PORT [--browser FILE] [--out FOLDER]");
  process.exit(2);
}

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
const SIZES = [
  { name: "phone", width: 390, height: 844 },
  { name: "desktop", width: 1280, height: 900 },
];
const PASSWORD = "seven purple kettles";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// A job that goes on renews its page; a link beside the words makes it stand still, which the rule cannot see.
const AXE_OPTIONS = {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  rules: { "meta-refresh": { enabled: false } },
};

const wrong = [];

function expect(truth, words) {
  if (!truth) wrong.push(words);
}

async function heading(page, words) {
  const found = (await page.locator("h1").allInnerTexts()).join(" | ");
  expect(found.includes(words), `${page.url()}: the heading is “${found}”, expected “${words}”`);
}

async function shot(page, size, name) {
  await page.screenshot({ path: join(options.out, `${size.name}-${name}.png`), fullPage: true });
  const room = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth).catch(() => 0);
  expect(room <= 0, `${size.name} ${name}: the page is ${room} px wider than the window`);
}

// A browser window of its own, in which nothing from anywhere else may be loaded.
async function open(browser, size, settings) {
  const viewport = { width: size.width, height: size.height };
  const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true, baseURL: options.url, ...settings });
  context.on("request", (request) => {
    const from = new URL(request.url());
    const ours = from.origin === new URL(options.url).origin || from.protocol === "data:";
    expect(ours, `something was asked of ${from.origin}`);
  });
  context.on("console", (message) => {
    expect(!message.text().includes("Content Security Policy"), `the policy of a page was broken: ${message.text()}`);
  });
  return context;
}

// Signs up, out and in again, submits a run; returns the addresses of the pages that came of it.
async function newcomer(page, size, name) {
  await page.goto("/");
  await heading(page, "How fast can a computer solve equations?");
  await shot(page, size, "home");

  await page.getByRole("link", { name: "Sign up" }).first().click();
  await heading(page, "Sign up");
  await shot(page, size, "signup");
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign up" }).click();
  await heading(page, "Your recovery codes");
  expect((await page.locator(".codes code").count()) >= 5, "there are recovery codes to write down");
  await shot(page, size, "codes");

  await page.goto("/");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You are logged out.").waitFor();
  await page.getByRole("link", { name: "Log in" }).click();
  await shot(page, size, "login");
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill("not this one");
  await page.getByRole("button", { name: "Log in" }).click();
  expect((await page.getByLabel("Username").inputValue()) === name, "the name is kept when the password was wrong");
  await shot(page, size, "login-wrong");
  // A second try must wait a second.
  await new Promise((go) => setTimeout(go, 1500));
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("You are logged in.").waitFor();

  await page.getByRole("link", { name: "Submit a run" }).first().click();
  await shot(page, size, "submit");
  await page.getByLabel("N", { exact: true }).fill("lots");
  await page.getByLabel("Title", { exact: true }).fill(`The first run of ${name}`);
  await page.getByRole("button", { name: "Check" }).first().click();
  await page.getByRole("alert").waitFor();
  await shot(page, size, "submit-wrong");
  expect((await page.getByLabel("N", { exact: true }).inputValue()) === "lots", "what was typed for N is kept");
  await page.getByLabel("N", { exact: true }).fill("2000");
  await page.getByRole("button", { name: "Check" }).first().click();
  await page.getByRole("heading", { name: "What it would take" }).waitFor();
  await shot(page, size, "submit-checked");
  await page.getByRole("button", { name: "Submit", exact: true }).click();
  await heading(page, `The first run of ${name}`);
  expect(await page.getByText("Why it waits:").isVisible(), "the job says why it waits");
  const job = new URL(page.url()).pathname;
  await shot(page, size, "job");

  await page.goto("/submit");
  await page.getByLabel("Your HPL.dat").fill(readFileSync(join(here, "two-runs.dat"), "utf8"));
  await page.getByRole("button", { name: "Write the sweep down" }).click();
  await heading(page, "Sweep of 2 runs");
  await shot(page, size, "sweep");
  const sweep = new URL(page.url()).pathname;
  await page.getByRole("button", { name: "Start these 2 runs" }).click();
  await page.getByText("The sweep is started.").waitFor();

  await page.getByRole("link", { name: "Leaderboard" }).first().click();
  await heading(page, "Leaderboards");
  return [job, sweep];
}

// Every page once more, with scripts, so that axe can look at it.
async function everybody(context, size, addresses, scheme) {
  const page = await context.newPage();
  for (const address of addresses) {
    await page.goto(address);
    const [folder, name] = address.split(/[/?]/).filter(Boolean);
    await shot(page, size, [scheme, folder ?? "home", /^[a-z]+$/.test(name ?? "-") && name].filter(Boolean).join("-"));
    // Evaluated by the debugger, which the policy of the page does not bind.
    await page.evaluate(AXE);
    const found = await page.evaluate((settings) => window.axe.run(document, settings), AXE_OPTIONS);
    for (const rule of found.violations) {
      const where = rule.nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary.replace(/\s+/g, " ")}`);
      wrong.push(`${size.name} ${scheme} ${address}: ${rule.id} (${rule.impact}): ${rule.help}\n    ${where.join("\n    ")}`);
    }
  }
}

mkdirSync(options.out, { recursive: true });
const browser = await chromium.launch({ executablePath: options.browser, headless: true, args: FLAGS });
try {
  for (const size of SIZES) {
    const name = `${size.name}-${Date.now().toString(36)}`;
    const plain = await open(browser, size, { javaScriptEnabled: false });
    plain.setDefaultTimeout(15_000);
    const page = await plain.newPage();
    const made = await newcomer(page, size, name);
    const cookies = await plain.storageState();
    await plain.close();

    const open_to_all = ["/", "/signup", "/login", "/recover", "/submit", "/jobs", "/leaderboard", "/leaderboard/hpl",
      "/results", "/nodes", "/limits", "/about-score", "/no/such/page"];
    for (const colorScheme of ["light", "dark"]) {
      const stranger = await open(browser, size, { colorScheme });
      await everybody(stranger, size, open_to_all, `${colorScheme}-stranger`);
      await stranger.close();
      const known = await open(browser, size, { colorScheme, storageState: cookies });
      await everybody(known, size, ["/account", "/submit", "/jobs?owner=me", "/leaderboard/hpl", ...made], `${colorScheme}-known`);
      await known.close();
    }
    console.log(`${size.name}: ${size.width} x ${size.height}, walked without scripts, looked at with axe`);
  }
} finally {
  await browser.close();
}
if (wrong.length > 0) {
  console.error([...new Set(wrong)].join("\n"));
  process.exit(1);
}
