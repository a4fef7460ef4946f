// What all scripts share: a page in a browser that is watched, and checks that collect what is wrong.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

export const wrong = [];

export function check(isRight, ...what) {
  if (!isRight) wrong.push(what.join(" "));
}

export function same(found, expected, what) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  check(one === other, `${what}: found ${one?.slice(0, 1500)}, expected ${other?.slice(0, 1500)}`);
}

// A step that cannot be done must not hide what was found before it.
process.on("uncaughtException", (error) => {
  check(false, error.stack);
  finish();
});

export function finish() {
  if (wrong.length) {
    console.error(`${wrong.length} wrong:\n${wrong.slice(0, 20).join("\n")}`);
    process.exit(1);
  }
}

export const json = (path) => JSON.parse(readFileSync(path, "utf8"));

export const browser = await chromium.launch({
  executablePath: process.env.CTWA_TEST_BROWSER,
  args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"],
});

/** A page that shows the file; nothing may happen on it that is not asked for. */
export async function open(file, { hash = "", wait = true, before, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-US", acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const url = `file://${file}`;
  page.on("request", (request) => check(request.url().split("#")[0] === url, `a request goes to ${request.url().slice(0, 200)}`));
  page.on("dialog", (dialog) => {
    check(false, `a dialog says ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("pageerror", (error) => check(false, `the page fails: ${error.stack}`));
  page.on("console", (message) => check(!["error", "warning"].includes(message.type()) || page.mayComplain, `the console says ${message.text()}`));
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  if (before) await page.addInitScript(before);
  await page.goto(`${url}${hash ? `#${hash}` : ""}`);
  if (wait) await page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
  page.done = async () => {
    if (options.javaScriptEnabled !== false) same(await page.evaluate(() => window.violations), [], "violations of the policy");
    await context.close();
  };
  return page;
}

/** Changes the choice as a link would. */
export async function choose(page, choice) {
  const hash = new URLSearchParams(choice).toString();
  await page.evaluate((to) => new Promise((resolve) => {
    if (location.hash === `#${to}`) return resolve();
    addEventListener("hashchange", () => setTimeout(resolve), { once: true });
    location.hash = to;
  }), hash);
}

/** The table as it stands: a row is its cells by column, `text` as shown and `exact` as held. */
export function tableOf(page) {
  return page.evaluate(() => {
    const rows = [...document.querySelectorAll("#table tbody tr:not(.space)")];
    return rows.map((row) => Object.fromEntries([...row.cells].map((cell) => {
      const column = cell.className.split(" ")[1];
      return [column, { text: cell.textContent.trim(), exact: cell.dataset.exact }];
    })));
  });
}

/** What the button for CSV would save. */
export function csvOf(page) {
  return page.evaluate(async () => {
    const { createObjectURL } = URL;
    const { click } = HTMLAnchorElement.prototype;
    let blob = null;
    URL.createObjectURL = (made) => ((blob = made), "blob:none");
    HTMLAnchorElement.prototype.click = () => {};
    document.getElementById("csv").click();
    URL.createObjectURL = createObjectURL;
    HTMLAnchorElement.prototype.click = click;
    return blob === null ? null : blob.text();
  });
}
