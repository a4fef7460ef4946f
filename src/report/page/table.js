// The table of ads: sorted by any column, drawn only as far as it is seen when it is long.

/** Rows up to this many are all in the page. */
const DRAWN_AT_ONCE = 200;
/** Letters of a title in a row; all of them are in the detail. */
const TITLE_LETTERS = 120;

const NUMBERS = new Set(["spend", "reach", "conversations", "cost_per_conversation", "conversions", "cost_per_conversion",
  "conversion_rate", "spend_unknown_days", "unconfigured_days"]);
const MONEY = new Set(["spend", "cost_per_conversation", "cost_per_conversion"]);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...children);
  return made;
}

/** Text from outside: on one line, without what would turn or hide its neighbours. */
function oneLine(text, most) {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").replace(/[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, "");
  const letters = Array.from(line.slice(0, 4 * most + 4));
  return letters.length > most ? `${letters.slice(0, most).join("")}…` : line;
}

/** Text from outside in an element of its own, in its own direction. */
function outside(text, most = TITLE_LETTERS) {
  return element("bdi", {}, oneLine(text, most));
}

function unknown(language) {
  return [element("span", { "aria-hidden": "true" }, "–"), element("span", { class: "unseen" }, language.say("unknown"))];
}

/** The content of a cell. */
function shown(language, cells, column) {
  const cell = cells[column];
  if (column === "reach" && cell === null && cells.reach_min !== null) {
    const [min, max] = [language.count(cells.reach_min), language.count(cells.reach_max)];
    return [
      element("span", { "aria-hidden": "true", class: "bounds" }, `${min}–${max}`),
      element("span", { class: "unseen" }, language.say("reach_between", { min, max })),
    ];
  }
  if (cell === null || cell === undefined) return unknown(language);
  if (MONEY.has(column)) return [language.money(cell, cells.currency)];
  if (column === "conversion_rate") return [language.rate(cell)];
  if (NUMBERS.has(column)) return [language.count(cell)];
  if (column === "ad_type") return [cell === "ad" || cell === "post" ? language.say(`kind_${cell}`) : outside(cell, 20)];
  return [outside(cell)];
}

class AdTable {
  /** `open(row, button)` shows the detail of a row; `sorted(sort)` is told of a new order. */
  constructor(host, open, sorted) {
    this.host = host;
    this.open = open;
    this.sorted = sorted;
    this.scroll = element("div", { class: "scroll ads", tabindex: "0", role: "region" });
    this.scroll.addEventListener("scroll", () => this.drawRows(), { passive: true });
    this.host.replaceChildren(this.scroll);
    this.rowHeight = 0;
    new ResizeObserver(() => this.drawRows()).observe(this.scroll);
  }

  /** The columns in the report's order; those that say nothing here are left out. */
  columns() {
    const is = (test) => this.rows.some(test);
    return ["bot_id", "ad_id", "ad_title", "ad_type", "currency", "spend", "reach", "conversations", "cost_per_conversation",
      "conversions", "cost_per_conversion", "conversion_rate", "spend_unknown_days", "unconfigured_days"].filter((column) =>
      (column !== "bot_id" || this.series.bots.length > 1) &&
      (column !== "spend_unknown_days" || is((row) => row.spend_unknown_days > 0)) &&
      (column !== "unconfigured_days" || is((row) => row.unconfigured_days > 0)));
  }

  draw({ series, language, rows, sort, empty, caption }) {
    Object.assign(this, { series, language, rows, sort });
    this.ordered = this.order();
    if (rows.length === 0) {
      this.scroll.replaceChildren(empty);
      this.body = null;
      return;
    }
    const columns = this.columns();
    this.drawnColumns = columns;
    const header = columns.map((column) => {
      const isSorted = sort.column === column;
      const arrow = isSorted ? (sort.down ? "▼" : "▲") : "↕";
      const button = element("button", { type: "button", "data-sort": column }, language.say(`column_${column}`),
        element("span", { "aria-hidden": "true", class: "arrow" }, arrow));
      button.addEventListener("click", () => {
        const startsDown = NUMBERS.has(column);
        this.sorted({ column, down: isSorted ? !sort.down : startsDown });
        this.scroll.querySelector(`[data-sort="${column}"]`)?.focus();
      });
      return element("th", {
        scope: "col",
        class: `${NUMBERS.has(column) ? "number" : "text"} ${column}`,
        "aria-sort": isSorted ? (sort.down ? "descending" : "ascending") : "none",
      }, button);
    });
    this.body = element("tbody");
    const table = element("table", { "aria-rowcount": rows.length + 1 },
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", { "aria-rowindex": 1 }, ...header)), this.body);
    this.scroll.setAttribute("aria-label", language.say("ads"));
    this.scroll.replaceChildren(table);
    this.drawn = null;
    this.drawRows();
  }

  /** The report's order where nothing else is chosen; the unknown last, whichever way. */
  order() {
    const { column, down } = this.sort;
    if (column === null) return this.rows;
    const way = down ? -1 : 1;
    const keyed = this.rows.map((row, place) => ({ row, place, cell: cellsOf(this.series, row)[column] ?? null }));
    const { collator } = this.language;
    keyed.sort((a, b) => {
      const [x, y] = [a.cell, b.cell];
      if (x === null || y === null) {
        // Reach that is only bounded stands by its lower bound, after what is exact.
        if (column === "reach" && x === null && y === null) {
          return way * compareUnknownLast(a.row.reach_min, b.row.reach_min, way) || a.place - b.place;
        }
        return (x === null ? 1 : 0) - (y === null ? 1 : 0) || a.place - b.place;
      }
      const order = typeof x === "string" ? collator.compare(x, y) : x < y ? -1 : x > y ? 1 : 0;
      return way * order || a.place - b.place;
    });
    return keyed.map(({ row }) => row);
  }

  /** The rows that are seen, or all of them where they are few or go to paper. */
  drawRows(all = false) {
    if (!this.body) return;
    const count = this.ordered.length;
    let [from, to] = [0, count];
    if (!all && count > DRAWN_AT_ONCE) {
      const height = this.rowHeight || 32;
      from = Math.max(0, Math.floor(this.scroll.scrollTop / height) - 20);
      to = Math.min(count, from + Math.ceil(this.scroll.clientHeight / height) + 60);
      // Whole screens at a time, so that most scrolling draws nothing.
      from -= from % 20;
    }
    if (this.drawn && this.drawn[0] === from && this.drawn[1] >= to && this.drawn[1] - to < 30) return;
    this.drawn = [from, to];
    const rows = [];
    for (let place = from; place < to; place++) rows.push(this.row(this.ordered[place], place));
    const space = () => element("tr", { class: "space", "aria-hidden": "true" }, element("td", { colspan: this.drawnColumns.length }));
    if (from > 0) rows.unshift(space());
    if (to < count) rows.push(space());
    const focused = this.scroll.contains(document.activeElement) ? document.activeElement.dataset.ad : undefined;
    this.body.replaceChildren(...rows);
    if (focused !== undefined) this.body.querySelector(`[data-ad="${focused}"]`)?.focus({ preventScroll: true });
    if (!this.rowHeight && rows.length) this.rowHeight = this.body.querySelector("tr:not(.space)").getBoundingClientRect().height;
    if (from > 0) this.body.firstChild.firstChild.style.height = `${from * this.rowHeight}px`;
    if (to < count) this.body.lastChild.firstChild.style.height = `${(count - to) * this.rowHeight}px`;
  }

  row(row, place) {
    const cells = cellsOf(this.series, row);
    const tds = this.drawnColumns.map((column) => {
      const isNumber = NUMBERS.has(column);
      const attributes = { class: `${isNumber ? "number" : "text"} ${column}` };
      if (column === "ad_id") {
        const button = element("button", { type: "button", class: "open", "data-ad": row.ad }, outside(cells.ad_id, 40));
        button.addEventListener("click", () => this.open(row, button));
        return element("th", { ...attributes, scope: "row" }, button);
      }
      if (isNumber) attributes["data-exact"] = exact(cells[column]);
      return element("td", attributes, ...shown(this.language, cells, column));
    });
    return element("tr", { "aria-rowindex": place + 2, "data-bot": cells.bot_id }, ...tds);
  }
}

/** Everything about one ad, its title in full. */
function drawDetail(dialog, { series, language, row, only }) {
  const cells = cellsOf(series, row);
  const account = series.ads[row.ad].account;
  const pair = (name, ...value) => [element("dt", {}, language.say(name)), element("dd", {}, ...value)];
  const text = (cell) => (cell === null ? unknown(language) : [element("bdi", {}, cell)]);
  const figure = (column) => {
    const value = shown(language, cells, column);
    const plainText = exact(cells[column]);
    if (MONEY.has(column) && plainText) value.push(element("span", { class: "exact" }, plainText));
    return pair(`column_${column}`, ...value);
  };
  const close = element("button", { type: "button", class: "close", autofocus: true }, language.say("close"));
  close.addEventListener("click", () => dialog.close());
  const onlyThis = element("button", { type: "button" }, language.say("only_this_ad"));
  onlyThis.addEventListener("click", () => {
    dialog.close();
    only(cells.ad_id);
  });
  dialog.replaceChildren(
    element("h2", { id: "detail-title" }, language.say("detail")),
    element("p", { class: "full-title" }, ...text(cells.ad_title)),
    element("dl", {},
      ...pair("column_ad_id", ...text(cells.ad_id)), ...pair("column_bot_id", ...text(cells.bot_id)),
      ...pair("account", ...text(account)), ...["ad_type", "currency", "spend", "reach", "conversations", "cost_per_conversation",
        "conversions", "cost_per_conversion", "conversion_rate", "spend_unknown_days", "unconfigured_days"].flatMap(figure)),
    element("p", { class: "buttons" }, onlyThis, close),
  );
  dialog.showModal();
}

/** Totals, a row per currency. */
function drawTotals(host, language, totals) {
  const columns = ["currency", "spend", "conversations", "cost_per_conversation", "conversions", "cost_per_conversion", "conversion_rate"];
  const header = columns.map((column) =>
    element("th", { scope: "col", class: NUMBERS.has(column) ? "number" : "text" }, language.say(`column_${column}`)));
  const rows = totals.map((total) => element("tr", {}, ...columns.map((column) => {
    if (column === "currency") {
      const name = total.currency === null ? [element("span", { class: "muted" }, language.say("no_currency"))] : [outside(total.currency, 8)];
      return element("th", { scope: "row", class: "text" }, ...name);
    }
    return element("td", { class: "number", "data-exact": exact(total[column]) }, ...shown(language, total, column));
  })));
  host.setAttribute("aria-label", language.say("totals"));
  host.replaceChildren(element("table", {}, element("caption", { class: "unseen" }, language.say("totals")),
    element("thead", {}, element("tr", {}, ...header)), element("tbody", {}, ...rows)));
}
