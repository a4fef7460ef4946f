// A large page: how long it takes to open and to answer, printed and not judged; that it answers right.

import { browser, check, choose, finish, open, same } from "./drive.js";

const page = await open(process.argv[2], { wait: false });
await page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
const opened = await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())))));
const heap = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);

const timed = async (name, act) => {
  const spent = await page.evaluate(act);
  console.log(`${name}: ${spent.toFixed(0)} ms`);
};
console.log(`open: ${opened.toFixed(0)} ms, ${(heap / 1e6).toFixed(0)} MB of memory`);
const clicking = (selector) => `new Promise((resolve) => {
  const before = performance.now();
  document.querySelector(${JSON.stringify(selector)}).click();
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - before)));
})`;
await timed("last 28 days", clicking("[data-quick='1']"));
same(await page.getAttribute("[data-quick='1']", "aria-pressed"), "true", "the quick range is chosen");
await timed("all days", clicking("[data-quick='5']"));
await timed("sort by spend", clicking("[data-sort=spend]"));

const count = () => page.$$eval("#table tbody tr:not(.space)", (rows) => rows.length);
check((await count()) < 200, "only what is seen is drawn");
same(await page.getAttribute("#table table", "aria-rowcount"), "1001", "all rows are told");
const exact = () => page.$$eval("#table td.spend", (cells) => cells.map((cell) => BigInt(cell.dataset.exact.replace(".", ""))).map(String));
const top = (await exact()).map(BigInt);
check(top.every((value, place) => place === 0 || top[place - 1] >= value), "sorted by spend, most first");
await page.evaluate(() => (document.querySelector(".ads").scrollTop = 1e9));
await page.waitForFunction(() => document.querySelector("#table tbody tr:last-child")?.getAttribute("aria-rowindex") === "1001");
const bottom = (await exact()).map(BigInt);
check(bottom.at(-1) <= top.at(-1) && bottom.every((value, place) => place === 0 || bottom[place - 1] >= value), "still sorted at the end");
const started = performance.now();
await page.fill("#search", "0000123");
await page.waitForFunction(() => document.querySelectorAll("#table tbody tr").length === 1);
console.log(`search: ${(performance.now() - started).toFixed(0)} ms with its waiting`);
await choose(page, { from: "2026-03-01", to: "2026-03-01" });
check((await count()) > 0, "one day shows its ads");
await page.done();
await browser.close();
finish();
