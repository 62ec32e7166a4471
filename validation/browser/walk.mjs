// Walks through the pages as people do, against a service with a real node: a newcomer without scripts, somebody with
// them, two users on a leaderboard, an operator; then sees every page in both themes with axe. Screenshots go to
// target/browser.
//
//   node validation/browser/walk.mjs --url https://127.0.0.1:PORT

import { everything, OPEN_TO_ALL } from "./everything.mjs";
import { findings, launch, open, options, SIZES } from "./lib.mjs";
import { living } from "./living.mjs";
import { newcomer } from "./newcomer.mjs";
import { operator } from "./operator.mjs";

const began = Date.now();
const tell = (words) => console.log(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${words}`);
const browser = await launch();
try {
  for (const size of SIZES) {
    const name = `${size.name}-${Date.now().toString(36)}`;
    const plain = await open(browser, size, { javaScriptEnabled: false });
    const made = await newcomer(await plain.newPage(), size, name);
    tell(`${size.name}: a newcomer without scripts`);
    const storageState = await plain.storageState();
    await plain.close();

    const context = await open(browser, size, { acceptDownloads: true });
    const lived = await living(context, size, `${name}-2`, name, made);
    tell(`${size.name}: somebody with scripts`);
    await context.close();

    const keeper = await open(browser, size, {});
    const kept = await operator(await keeper.newPage(), size);
    const keepers = await keeper.storageState();
    await keeper.close();
    tell(`${size.name}: an operator`);

    await everything(browser, size, "stranger", OPEN_TO_ALL, {});
    const { job, result, sweep } = made;
    const results = `${result},${lived.result}`.replaceAll("/results/", "");
    const own = ["/", "/account", "/submit?preset=first", "/submit?preset=expert", "/jobs?owner=me", job, result, `${result}/why`,
      `${result}/certificate`, sweep, lived.sweep, `/compare?results=${results}`, "/learn/first-linpack?step=4",
      "/learn/first-linpack?step=5", "/learn/first-linpack?step=6", "/leaderboard/hpl"];
    await everything(browser, size, "known", own, { storageState });
    await everything(browser, size, "operator", kept, { storageState: keepers });
    tell(`${size.name}: every page in both themes`);
  }
} finally {
  await browser.close();
}
const wrong = findings();
if (wrong.length > 0) {
  console.error(`${wrong.length} things are wrong; screenshots are in ${options.out}\n${wrong.join("\n")}`);
  process.exit(1);
}
