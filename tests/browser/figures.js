// The page's figures against those of `ctwa report`, for many parts of a file: a plan lists the files and the choices.
//
// plan: { page, unpublished, cases: [{ choice, rows, days, csv }] }, where `rows`, `days` and `csv` are files that `ctwa report` has written of
// the same choice, but for `kind` and `q`: JSON per ad, JSON per ad and day, CSV.

import { readFileSync } from "node:fs";
import { check, choose, csvOf, finish, json, browser, open, same, tableOf } from "./drive.js";

const plan = json(process.argv[2]);
const NUMBERS = ["spend", "reach", "conversations", "cost_per_conversation", "conversions", "cost_per_conversion", "conversion_rate"];
const LOCALE = "en-US";

/** Decimals as BigInt millionths, and back: by plain string work, nothing of the page's. */
const millionths = (text) => BigInt(text.replace(".", ""));
const decimal = (value) => {
  const digits = String(value < 0n ? -value : value).padStart(7, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
};
const halfUp = (dividend, divisor) => {
  if (divisor === 0n) return null;
  const twice = 2n * dividend + divisor;
  const whole = twice / (2n * divisor);
  return decimal(twice < 0n && whole * 2n * divisor !== twice ? whole - 1n : whole);
};

function shownMoney(text, currency) {
  const value = millionths(text);
  const small = value !== 0n && value > -1_000_000n && value < 1_000_000n;
  const isCode = /^[A-Za-z]{3}$/.test(currency ?? "");
  const format = new Intl.NumberFormat(LOCALE, isCode
    ? { style: "currency", currency, ...(small ? { maximumFractionDigits: 4 } : {}) }
    : { minimumFractionDigits: 2, maximumFractionDigits: small ? 4 : 2 });
  return format.format(text) + (isCode || currency === null ? "" : ` ${currency.slice(0, 8)}`);
}

function shownCell(row, column) {
  const value = row[column];
  if (column === "reach" && value === null && row.reach_min !== null) {
    const [min, max] = [row.reach_min, row.reach_max].map((count) => count.toLocaleString(LOCALE));
    return `${min}–${max}between ${min} and ${max}`;
  }
  if (value === null) return "–unknown";
  if (column === "conversion_rate") return new Intl.NumberFormat(LOCALE, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(value);
  return typeof value === "string" ? shownMoney(value, row.currency) : value.toLocaleString(LOCALE);
}

/** Totals by currency, from the rows and, for the quotients, from the days on which both figures are known. */
function totalsOf(rows, days) {
  const currencies = [...new Set(rows.map((row) => row.currency))].sort((a, b) => (a === null) - (b === null) || (a < b ? -1 : 1));
  const currencyOf = new Map(rows.map((row) => [`${row.bot_id}\n${row.ad_id}`, row.currency]));
  return currencies.map((currency) => {
    const of = rows.filter((row) => row.currency === currency);
    const daysOf = days.filter((day) => currencyOf.get(`${day.bot_id}\n${day.ad_id}`) === currency);
    const sum = (list, column) => {
      const known = list.map((row) => row[column]).filter((value) => value !== null);
      return known.length ? known.reduce((total, value) => total + (typeof value === "string" ? millionths(value) : BigInt(value)), 0n) : null;
    };
    const quotient = (over, under) => {
      const both = daysOf.filter((day) => day[over] !== null && day[under] !== null);
      if (both.length === 0) return null;
      const dividend = sum(both, over) * (over === "spend" ? 1n : 1_000_000n);
      return halfUp(dividend, sum(both, under));
    };
    const text = (value, isMoney) => (value === null ? "" : isMoney ? decimal(value) : String(value));
    return [currency, text(sum(of, "spend"), true), text(sum(of, "conversations")), quotient("spend", "conversations") ?? "",
      text(sum(of, "conversions")), quotient("spend", "conversions") ?? "", quotient("conversions", "conversations") ?? ""];
  });
}

const page = await open(plan.page);
await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
let cells = 0;
for (const { choice, rows: rowsFile, days: daysFile, csv: csvFile } of plan.cases) {
  const what = new URLSearchParams(choice).toString();
  await choose(page, choice);
  // What the report itself has no flag for is left out of its rows here.
  const isChosen = (row) => (!choice.kind || row.ad_type === choice.kind) &&
    (!choice.q || `${row.ad_id} ${row.ad_title ?? ""}`.toLowerCase().includes(choice.q));
  const rows = json(rowsFile).filter(isChosen);
  const days = json(daysFile).filter(isChosen);

  const csv = rows.length && csvFile ? await csvOf(page) : null;
  if (csv !== null) {
    const expected = readFileSync(csvFile, "utf8");
    check(csv === expected, `${what}: the CSV is not the report's:\n${csv}\n${expected}`);
  }

  const table = await tableOf(page);
  same(table.map((row) => row.ad_id.text), rows.map((row) => row.ad_id.replace("\u202e", "")), `${what}: ads`);
  for (const [place, row] of rows.entries()) {
    const found = table[place];
    if (!found) break;
    for (const column of NUMBERS) {
      same(found[column].exact, row[column] === null ? "" : String(row[column]), `${what}: ${row.ad_id} ${column}`);
      same(found[column].text.replace(/\s+/g, " "), shownCell(row, column).replace(/\s+/g, " "), `${what}: ${row.ad_id} ${column}, as shown`);
      cells++;
    }
    for (const column of ["spend_unknown_days", "unconfigured_days"]) {
      same(found[column]?.exact ?? "0", String(row[column]), `${what}: ${row.ad_id} ${column}`);
    }
  }

  const totals = await page.evaluate(() => [...document.querySelectorAll("#totals tbody tr")].map((row) => [...row.cells].map((cell) => cell.dataset.exact ?? cell.innerText)));
  if (rows.length) {
    const expected = totalsOf(rows, days).map(([currency, ...figures]) => [currency === null ? "no known currency" : currency.slice(0, 8), ...figures]);
    same(totals, expected, `${what}: totals`);

    const perDay = await page.evaluate(() => [...document.querySelectorAll("#chart-days .as-table tbody tr")].map((row) => [...row.cells].slice(0, 3).map((cell) => cell.innerText)));
    const dates = [];
    for (let at = Date.parse(choice.from); at <= Date.parse(choice.to); at += 86_400_000) dates.push(new Date(at).toISOString().slice(0, 10));
    same(perDay.length, dates.length, `${what}: days of the chart`);
    const shownAds = new Set(rows.map((row) => `${row.bot_id}\n${row.ad_id}`));
    for (const [place, date] of dates.entries()) {
      const of = days.filter((day) => day.date === date && shownAds.has(`${day.bot_id}\n${day.ad_id}`));
      const started = of.reduce((total, day) => total + day.conversations, 0);
      const converted = of.reduce((total, day) => total + (day.conversions ?? 0), 0);
      const isThere = !plan.unpublished.includes(date);
      same(perDay[place]?.[1], isThere ? started.toLocaleString(LOCALE) : "unknown", `${what}: conversations of ${date} in the chart`);
      const found = perDay[place]?.[2];
      check(found === converted.toLocaleString(LOCALE) || (found === "unknown" && of.every((day) => day.conversions === null)), `${what}: conversions of ${date} in the chart: ${found}, expected ${converted}`);
    }

    const lags = await page.evaluate(() => [...document.querySelectorAll("#chart-lags .as-table tbody tr")].map((row) => Number(row.cells[1].innerText.replaceAll(",", ""))));
    const converted = rows.reduce((total, row) => total + (row.conversions ?? 0), 0);
    same(lags.reduce((total, count) => total + count, 0), converted, `${what}: conversions by the days they took`);
  }
}
await page.done();
await browser.close();
console.log(`${plan.cases.length} choices, ${cells} figures compared`);
finish();
