// What the page does for its reader, on the sample's file and on a made-up one full of hostile text.
//
// plan: { sample, made_up, one_bot, titles, pictures }

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { browser, check, choose, finish, json, open, same, tableOf } from "./drive.js";

const plan = json(process.argv[2]);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(plan.pictures, { recursive: true });
/** To look at; a busy machine sometimes takes none, which says nothing of the page. */
const picture = (page, name, fullPage = true) =>
  page.screenshot({ path: join(plan.pictures, `${name}.png`), fullPage }).catch((error) => console.log(`no picture of ${name}: ${error.message.split("\n")[0]}`));
const text = (page, selector) => page.$eval(selector, (found) => found.innerText);
const alerts = (page) => page.$$eval("[data-alert]", (found) => found.map((alert) => alert.dataset.alert));

async function accessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, impact, nodes } of found.violations) {
    check(!["serious", "critical"].includes(impact), `${what}: axe finds ${id} (${impact}) at ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}`);
  }
}

// --- Languages: the browser's, the chosen one, and everything in it.
for (const [locale, language, spend, title] of [["pt-BR", "pt", "R$ 10.197,03", "Conversão por anúncio"], ["es-MX", "es", "BRL 10,197.03", "Conversión por anuncio"], ["fr-FR", "en", "R$10,197.03", "Conversion per ad"], ["en-GB", "en", "R$10,197.03", "Conversion per ad"]]) {
  const page = await open(plan.sample, { locale });
  same(await text(page, "h1"), title, `${locale}: heading`);
  const found = await page.$eval("#totals td.number", (cell) => cell.innerText.replace(/\s/g, " "));
  same(found, spend, `${locale}: spend of the first currency`);
  const said = await page.evaluate(() => document.documentElement.lang.split("-")[0]);
  same(said, language, `${locale}: the language told to the browser`);
  const left = await page.$$eval("[data-word]", (found) => found.filter((marked) => !marked.textContent.trim()).length);
  same(left, 0, `${locale}: texts left empty`);
  await page.done();
}
{
  const page = await open(plan.sample, { locale: "pt-BR" });
  await page.selectOption("#language", "es");
  same(await text(page, "h1"), "Conversión por anuncio", "the chosen language");
  check((await page.title()).includes("Conversión"), "the title is in the chosen language");
  await page.reload();
  await page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
  same(await text(page, "h1"), "Conversión por anuncio", "the link keeps the language");
  await page.done();
}

// --- Sorting, by pointer and by keyboard; the unknown stands last either way.
{
  const page = await open(plan.sample);
  const column = async (name) => (await tableOf(page)).map((row) => row[name].exact);
  const asNumber = (exact) => exact.map((value) => (value === "" ? null : Number(value)));
  for (const name of ["spend", "conversations", "conversion_rate", "cost_per_conversion"]) {
    for (const way of ["descending", "ascending"]) {
      await page.click(`[data-sort=${name}]`);
      same(await page.$eval(`th.${name}`, (header) => header.ariaSort), way, `${name}: told order`);
      const values = asNumber(await column(name));
      const known = values.filter((value) => value !== null);
      check(values.slice(known.length).every((value) => value === null), `${name} ${way}: the unknown stands last`);
      check(known.every((value, place) => !place || (way === "descending" ? known[place - 1] >= value : known[place - 1] <= value)), `${name} ${way}: ${known}`);
    }
  }
  await page.focus("[data-sort=ad_title]");
  await page.keyboard.press("Enter");
  same(await page.$eval("th.ad_title", (header) => header.ariaSort), "ascending", "sorted by keyboard");
  same(await page.evaluate(() => document.activeElement.dataset.sort), "ad_title", "the focus stays");
  const titles = (await tableOf(page)).map((row) => row.ad_title.text);
  same(titles, [...titles].sort(new Intl.Collator("en-US", { numeric: true, sensitivity: "base" }).compare), "titles in order");
  same(await page.$$eval("th[aria-sort]:not([aria-sort=none])", (found) => found.length), 1, "one column is sorted");
  await page.done();
}

// --- Search and filters.
{
  const page = await open(plan.sample);
  const ads = async () => (await tableOf(page)).map((row) => row.ad_id.text);
  await page.fill("#search", "CERAMICA");
  await page.waitForFunction(() => document.querySelectorAll("#table tbody tr").length === 1);
  same(await ads(), ["120226305854810726"], "a title without its accents");
  await page.fill("#search", "0727");
  await page.waitForFunction(() => document.querySelector("#table tbody tr th")?.innerText.endsWith("727"));
  same(await ads(), ["120226305854810727"], "a part of an ad's id");
  await page.fill("#search", "nothing like it");
  await page.waitForSelector("#table .empty");
  check(await page.$eval("#csv", (button) => button.disabled), "nothing to download");
  await picture(page, "empty");
  await page.click("#table .empty button");
  same((await ads()).length, 13, "the way back");
  same(await page.inputValue("#search"), "", "the search is cleared");
  await page.selectOption("#kind", "post");
  same(await ads(), ["1784140000000123"], "posts");
  await page.selectOption("#kind", "");
  await page.selectOption("#account", "act_700100200300401");
  same(await ads(), ["120226305854810726", "120226305854810727", "120226305854810801", "120226305854810901"], "an account's ads");
  await page.selectOption("#account", "");
  await page.selectOption("#bot", "shop-us@msging.net");
  same(await ads(), ["120230000000000104", "120230000000000101"], "a bot's ads");
  same(await alerts(page), ["alert_no_event", "alert_insights_missing", "alert_incomplete", "alert_provisional"], "a bot's alerts");
  check((await page.getAttribute("#chart-days .area", "aria-label")).includes("48 conversations, unknown conversions"), "the chart says what it shows");
  await page.done();
}

// --- Ranges: quick ones, dates, a range drawn on a chart, the address.
{
  const page = await open(plan.sample);
  const range = async () => [await page.inputValue("#from"), await page.inputValue("#to")];
  same(await range(), ["2026-10-05", "2026-11-02"], "all days at first");
  const quick = { 0: ["2026-10-27", "2026-11-02"], 1: ["2026-10-06", "2026-11-02"], 3: ["2026-11-01", "2026-11-02"], 5: ["2026-10-05", "2026-11-02"] };
  for (const [place, expected] of Object.entries(quick)) {
    await page.click(`[data-quick="${place}"]`);
    same(await range(), expected, `quick range ${place}`);
    same(await page.$$eval("[data-quick][aria-pressed=true]", (found) => found.map((button) => button.dataset.quick)), [place], "the chosen range is told");
  }
  same(await page.$$eval("[data-quick]:disabled", (found) => found.map((button) => button.dataset.quick)), ["2", "4"], "what the file does not hold");
  await page.fill("#from", "2026-10-20");
  same(await range(), ["2026-10-20", "2026-11-02"], "a first day");
  await page.fill("#to", "2026-10-10");
  same(await range(), ["2026-10-10", "2026-10-10"], "a range turned around");
  await page.fill("#to", "2026-10-30");
  check((await page.evaluate(() => location.hash)).includes("to=2026-10-30"), "the address holds the choice");
  await page.reload();
  await page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
  same(await range(), ["2026-10-10", "2026-10-30"], "the address brings it back");
  const box = await (await page.$("#chart-days .u-over")).boundingBox();
  const day = box.width / 21;
  await page.mouse.move(box.x + 5.5 * day, box.y + 40);
  check(await page.isVisible("#chart-days .tip"), "what is under the pointer is told");
  await page.mouse.down();
  await page.mouse.move(box.x + 9.5 * day, box.y + 40, { steps: 5 });
  await page.mouse.up();
  same(await range(), ["2026-10-15", "2026-10-19"], "a range drawn on a chart");
  await choose(page, { from: "garbage", to: "9999-99-99", by: "x", bot: "nobody", sort: "constructor", language: "__proto__", theme: "?" });
  same(await range(), ["2026-10-05", "2026-11-02"], "an address of nonsense");
  await page.done();
}

// --- Alerts: what is wrong, of whom, what to do.
{
  const page = await open(plan.sample);
  same(await alerts(page), ["alert_no_event", "alert_insights_missing", "alert_event_later", "alert_incomplete", "alert_provisional"], "alerts of the sample");
  const first = await text(page, "[data-alert=alert_no_event]");
  check(first.includes("shop-us@msging.net") && first.includes("[[bots.conversion_events]]") && !first.includes("shop-mx"), `who has no event: ${first}`);
  const missing = await text(page, "[data-alert=alert_insights_missing]");
  check(missing.includes("Oct 14") && missing.includes("Oct 22") && missing.includes("ctwa check"), `which days: ${missing}`);
  check(!(await page.isVisible("[data-alert=alert_provisional]")), "what is only worth knowing is folded");
  await choose(page, { from: "2026-10-12", to: "2026-10-13", bot: "shop-br@msging.net" });
  same(await alerts(page), ["alert_provisional"], "alerts of days on which nothing is wrong");
  await page.done();

  const other = await open(plan.made_up);
  same(await alerts(other), ["alert_no_event", "alert_no_insights", "alert_insights_missing", "alert_unpublished", "alert_event_later", "alert_incomplete", "alert_provisional"], "alerts of the made-up file");
  check((await text(other, "[data-alert=alert_no_insights]")).includes("=bot <img src=x onerror=alert(1)>"), "a bot's name is text");
  check((await text(other, "[data-alert=alert_unpublished]")).includes("Feb 9"), "the day that is not published");
  await picture(other, "made-up");
  await other.done();

  const bot = await open(plan.one_bot);
  check((await alerts(bot)).includes("alert_young"), "young conversations may still convert");
  same(await bot.inputValue("#by"), "conversation-day", "the file's own way to count");
  check(!(await bot.isVisible("#bot-field")), "one bot needs no choice");
  await bot.done();
}

// --- Hostile text is text. Dialogs, requests and violations of the policy are watched on every page.
{
  const page = await open(plan.made_up);
  const before = await page.evaluate(() => document.querySelectorAll("script").length);
  same(before, 2, "scripts of the page");
  same(await page.$$eval("#report :is(img, iframe, object, embed, link, script, form, i, s)", (found) => found.length), 0, "nothing from outside became an element");
  const table = await tableOf(page);
  check(table.some((row) => row.ad_title.text === "<script>alert('title')</script>"), "a script is shown as text");
  check(table.every((row) => Array.from(row.ad_title.text).length <= 121), "titles are cut");
  check(table.every((row) => !/[\u202a-\u202e\u2066-\u2069\u2028\u2029\u0000-\u001f]/.test(row.ad_title.text + row.ad_id.text)), "no letter steers its neighbours");
  const widths = await page.$$eval("#table tbody tr", (rows) => rows.map((row) => row.getBoundingClientRect().height));
  check(Math.max(...widths) < 40, "every row is one line");
  check(await page.$$eval("#table td.ad_title", (cells) => cells.every((cell) => cell.querySelector("bdi, .unseen"))), "titles are isolated");
  const full = [];
  for (const button of await page.$$("#table button.open")) {
    await button.click();
    full.push(await page.$eval("#detail .full-title", (found) => found.textContent));
    await page.keyboard.press("Escape");
  }
  for (const title of plan.titles) check(full.includes(title), `the detail has the whole title ${title.slice(0, 60)}`);
  check(!(await page.isVisible("#detail")), "the detail is closed");
  await page.hover("#chart-top button");
  await page.click("#chart-top button");
  await picture(page, "detail", false);
  await page.click("#detail .buttons button:first-child");
  same(await page.$$eval("#table tbody tr", (rows) => new Set(rows.map((row) => row.cells[1].innerText)).size), 1, "only this ad");
  same(await page.evaluate(() => document.querySelectorAll("script").length), before, "no script more");
  const asked = page.waitForEvent("download");
  await page.click("#csv");
  const saved = await asked;
  same(saved.suggestedFilename(), "made-up-b-amp-b--2026-01-20-2026-04-04.csv", "the name of the CSV");
  check(readFileSync(await saved.path(), "utf8").startsWith("bot_id,ad_id,ad_title,"), "the CSV is saved");
  await page.done();
}

// --- The policy holds: what got in would do nothing.
{
  const page = await open(plan.sample);
  page.mayComplain = true;
  const outcome = await page.evaluate(async () => {
    const outcome = {};
    const script = document.createElement("script");
    try {
      script.textContent = "window.ran = true";
      document.body.append(script);
    } catch (error) {
      outcome.script = error.name;
    }
    outcome.ran = window.ran === true;
    try {
      document.body.insertAdjacentHTML("beforeend", "<b>x</b>");
      outcome.markup = "made";
    } catch (error) {
      outcome.markup = error.name;
    }
    outcome.fetched = await fetch("data:text/plain,x").then(() => "fetched", () => "refused");
    const image = new Image();
    outcome.image = await new Promise((resolve) => {
      image.onload = () => resolve("shown");
      image.onerror = () => resolve("refused");
      image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
    });
    const link = document.createElement("a");
    link.href = "javascript:window.ran = true";
    document.body.append(link);
    link.click();
    await new Promise((resolve) => setTimeout(resolve, 50));
    outcome.ran ||= window.ran === true;
    outcome.violations = window.violations.length > 0;
    window.violations = [];
    return outcome;
  });
  same(outcome, { script: "TypeError", ran: false, markup: "TypeError", fetched: "refused", image: "refused", violations: true }, "what the policy refuses");
  await page.done();
}

// --- By keyboard alone.
{
  const page = await open(plan.sample);
  await page.keyboard.press("Tab");
  same(await page.evaluate(() => document.activeElement.className), "skip", "first, a way past the choices");
  await page.keyboard.press("Enter");
  const seen = new Set();
  for (let press = 0; press < 40; press++) {
    await page.keyboard.press("Tab");
    seen.add(await page.evaluate(() => document.activeElement.dataset.sort ?? document.activeElement.className));
  }
  check(seen.has("conversion_rate") && seen.has("scroll ads") && seen.has("open"), `reached: ${[...seen]}`);
  await page.focus("#table button.open");
  await page.keyboard.press("Enter");
  check(await page.isVisible("#detail"), "the detail opens");
  check(await page.evaluate(() => document.getElementById("detail").contains(document.activeElement)), "the focus goes there");
  await accessible(page, "the detail");
  await page.keyboard.press("Escape");
  check(!(await page.isVisible("#detail")), "the detail closes");
  same(await page.evaluate(() => document.activeElement.className), "open", "the focus comes back");
  const shadows = await page.$$eval("button, select, input, summary", (found) => found.filter((one) => one.tabIndex < 0).length);
  same(shadows, 0, "nothing is out of reach");
  await page.done();
}

// --- For everybody, in both themes, wide and narrow; pictures to look at.
for (const [name, options, hash] of [
  ["light", {}, ""], ["dark", { colorScheme: "dark" }, ""], ["mobile", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }, "language=pt"],
  ["portuguese", { locale: "pt-BR" }, "by=conversation-day&sort=spend-"], ["chosen-dark", {}, "theme=dark&language=es&from=2026-10-20&to=2026-10-26"],
]) {
  const page = await open(plan.sample, { ...options, hash });
  await page.evaluate(() => document.querySelectorAll("details").forEach((details, place) => (details.open = place % 2 === 0)));
  await accessible(page, name);
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = false)));
  await picture(page, name);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(overflow <= 0, `${name}: the page is ${overflow} px wider than its window`);
  same(await page.evaluate(() => document.documentElement.dataset.theme), name.includes("dark") ? "dark" : "light", `${name}: theme`);
  await page.done();
}

// --- On paper: every row, A4, in the light colours.
{
  const page = await open(plan.made_up, { colorScheme: "dark" });
  const pdf = await page.pdf({ path: join(plan.pictures, "print.pdf"), preferCSSPageSize: true, printBackground: true });
  check(pdf.subarray(0, 5).toString() === "%PDF-", "it is a PDF");
  const [, , width, tall] = pdf.toString("latin1").match(/\/MediaBox \[([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)\]/).slice(1).map(Number);
  check(Math.abs(width - 842) < 2 && Math.abs(tall - 595) < 2, `A4, lying: ${width} x ${tall}`);
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  same(await page.evaluate(() => document.documentElement.dataset.theme), "light", "paper is light");
  check(!(await page.isVisible("#choices")), "no choices on paper");
  check(await page.isVisible("#chosen"), "what was chosen is on paper");
  await page.setViewportSize({ width: 1032, height: 700 });
  const cut = await page.$eval(".ads", (scroll) => scroll.scrollWidth - scroll.clientWidth);
  check(cut <= 1, `the table is ${cut} px wider than the paper`);
  await picture(page, "print");
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  same(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "and back");
  await page.done();
}

// --- Where it cannot work it says so.
{
  const off = await open(plan.sample, { javaScriptEnabled: false, wait: false });
  check((await off.innerText("body")).includes("JavaScript is switched off"), "without JavaScript");
  check((await off.innerText("body")).includes("JavaScript está desligado"), "in Portuguese, too");
  check(!(await off.isVisible("#opening")), "without JavaScript nothing is being opened");
  await off.done();
  const old = await open(plan.sample, { wait: false, before: () => delete window.DecompressionStream });
  check(await old.isVisible("#old-browser"), "an old browser");
  check(!(await old.isVisible("#report")), "an old browser shows nothing else");
  await picture(old, "old-browser", false);
  await old.done();
  const whole = readFileSync(plan.sample, "utf8");
  const begin = whole.indexOf('id="series">') + 12;
  const cutFile = `${plan.sample}.cut.html`;
  writeFileSync(cutFile, whole.slice(0, begin) + whole.slice(begin, begin + 1_000) + whole.slice(whole.indexOf("</script>", begin)));
  const cut = await open(cutFile, { wait: false, before: () => (console.error = () => {}) });
  await cut.waitForSelector("#broken:not([hidden])");
  check(!(await cut.isVisible("#report")), "a file that is not whole shows nothing else");
  await cut.done();
  writeFileSync(cutFile, whole.slice(0, begin + 1_000));
  const half = await open(cutFile, { wait: false });
  check((await half.innerText("body")).includes("the file is not whole"), "half a file says so");
  await half.done();
}

await browser.close();
console.log(`pictures in ${plan.pictures}`);
finish();
