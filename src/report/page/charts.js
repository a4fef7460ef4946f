// The charts: per day, costs over time, days to convert, top ads. Each has its figures as a table, too.

function colors() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    conversations: color("conversations"), conversationsArea: color("conversations-area"), conversions: color("conversions"),
    conversionsArea: color("conversions-area"), grid: color("grid"), axis: color("muted"), mark: color("mark"), markLight: color("mark-light"), point: color("point"),
  };
}

/** A figure with its heading, its keys, the drawing, a line on what is under the pointer, and its table. */
class Chart {
  constructor(host) {
    this.host = host;
    this.heading = element("figcaption");
    this.extra = element("div", { class: "extra" });
    this.keys = element("p", { class: "keys" });
    this.area = element("div", { class: "area", role: "img" });
    this.tip = element("div", { class: "tip", hidden: true });
    this.note = element("p", { class: "under" });
    this.summary = element("summary");
    this.figures = element("div", { class: "scroll", tabindex: "0", role: "region" });
    this.details = element("details", { class: "as-table" }, this.summary, this.figures);
    this.details.addEventListener("toggle", () => this.drawFigures());
    this.host.replaceChildren(element("div", { class: "heading" }, this.heading, this.extra), this.keys, this.area, this.note, this.details);
    this.plot = null;
    new ResizeObserver(() => this.resize()).observe(this.area);
  }

  /** As wide as its place; on paper, whose places nobody can measure, as wide as half a page. */
  width() {
    return document.documentElement.dataset.paper ? 500 : Math.max(200, Math.floor(this.area.clientWidth));
  }

  resize() {
    if (document.documentElement.dataset.paper) return;
    const width = Math.floor(this.area.clientWidth);
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
  }

  /** `table` is asked for the caption, the headers and the rows of cells when somebody wants to see them. */
  set({ language, heading, keys = [], label, note = "", table }) {
    this.plot?.destroy();
    this.plot = null;
    this.tip.hidden = true;
    this.heading.replaceChildren(heading);
    this.keys.replaceChildren(...keys.map(([kind, text]) => element("span", { class: `key ${kind}` }, text)));
    this.area.setAttribute("role", "img");
    this.area.setAttribute("aria-label", label);
    this.area.replaceChildren();
    this.note.replaceChildren(note);
    this.summary.replaceChildren(language.say("as_table"));
    this.details.hidden = !table;
    this.table = table;
    this.drawFigures();
  }

  empty(text) {
    this.area.setAttribute("role", "note");
    this.area.replaceChildren(element("p", { class: "empty" }, text));
    this.details.hidden = true;
  }

  drawFigures() {
    if (!this.details.open || !this.table) {
      this.figures.replaceChildren();
      return;
    }
    const { caption, headers, rows } = this.table();
    this.figures.setAttribute("aria-label", caption);
    const cell = (content, place) => element(place ? "td" : "th", place ? { class: "number" } : { scope: "row" }, content);
    this.figures.replaceChildren(element("table", {}, element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...headers.map((text, place) => element("th", { scope: "col", class: place ? "number" : "text" }, text)))),
      element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map(cell))))));
  }

  /** `tip(place)` are the lines for the place under the pointer; `select(from, to)` is told of a range drawn with it. */
  draw({ xs, values, series, xLabel, yLabel, marks = [], tip, select, increments, yMost }) {
    const color = colors();
    const axis = { stroke: color.axis, grid: { stroke: color.grid, width: 1 }, ticks: { stroke: color.grid, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    const shade = (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      marks.forEach((mark, place) => {
        if (!mark) return;
        ctx.fillStyle = mark === "provisional" ? color.markLight : color.mark;
        const left = Math.max(bbox.left, plot.valToPos(place - 0.5, "x", true));
        const right = Math.min(bbox.left + bbox.width, plot.valToPos(place + 0.5, "x", true));
        ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
      });
      ctx.restore();
    };
    const count = xs.length;
    this.plot = new uPlot({
      width: this.width(),
      height: 190,
      legend: { show: false },
      padding: [8, 22, 0, 0],
      cursor: { y: false, drag: { x: Boolean(select), y: false, setScale: false }, points: { size: 6 } },
      scales: {
        x: { time: false, range: count > 1 ? [xs[0] - 0.5, xs[count - 1] + 0.5] : [xs[0] - 1, xs[0] + 1] },
        y: { range: (_, min, max) => [Math.min(0, min ?? 0), Math.max(yMost, (max ?? 0) * 1.06)] },
      },
      axes: [
        { ...axis, size: 30, grid: { show: false }, incrs: increments, space: 70, values: (_, splits) => splits.map((at) => (Number.isInteger(at) && at >= xs[0] && at <= xs[count - 1] ? xLabel(at) : "")) },
        { ...axis, size: (_, labels) => 16 + 6.4 * Math.max(2, ...(labels ?? []).map((text) => text.length)), space: 34, incrs: yMost >= 1 ? [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 2500, 5e3, 1e4, 2e4, 25e3, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8, 1e9] : undefined, values: (_, splits) => splits.map(yLabel) },
      ],
      series: [{}, ...series(color)],
      hooks: {
        drawClear: [shade],
        setCursor: [(plot) => this.point(plot, tip)],
        setSelect: select ? [(plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          const at = (position) => Math.min(count - 1, Math.max(0, Math.round(plot.posToVal(position, "x")) - xs[0]));
          select(at(left), at(left + width));
        }] : [],
      },
    }, [xs, ...values], this.area);
    this.area.append(this.tip);
  }

  point(plot, tip) {
    const { idx, left } = plot.cursor;
    if (idx === null || idx === undefined || left < 0) {
      this.tip.hidden = true;
      return;
    }
    this.tip.hidden = false;
    this.tip.replaceChildren(...tip(idx).map((line, place) => element(place ? "div" : "strong", {}, line)));
    const room = this.area.clientWidth - this.tip.offsetWidth;
    const at = left + plot.over.offsetLeft;
    this.tip.style.left = `${Math.max(0, Math.min(room, at + (at > this.area.clientWidth / 2 ? -this.tip.offsetWidth - 14 : 14)))}px`;
  }
}

const DAY_STEPS = [1, 2, 7, 14, 28, 56, 112, 364];

/** Conversations and conversions per day. */
function drawDays(chart, { series, language, query, answer, select }) {
  const { perDay } = answer;
  const marks = dayMarks(series, query, false);
  const date = (place) => language.shortDate(series.date(query.first + place));
  const conversions = Array.from(perDay.conversions, (count, place) => (perDay.conversionsKnown[place] ? count : null));
  // Of a day that is not published nothing is known.
  const conversations = Array.from(perDay.conversations, (count, place) => (marks[place] === "unpublished" ? null : count));
  const known = (count) => (count === null ? language.say("unknown") : language.count(count));
  const [conversationsWord, conversionsWord] = [language.say("column_conversations"), language.say("column_conversions")];
  const rows = () => conversions.map((count, place) => [
    language.date(series.date(query.first + place)), known(conversations[place]), known(count),
    marks[place] ? language.say(`day_${marks[place]}`) : "",
  ]);
  const total = perDay.conversations.reduce((sum, count) => sum + count, 0);
  const isKnown = conversions.some((count) => count !== null);
  const keys = [["conversations", conversationsWord], ["conversions", conversionsWord]];
  if (marks.some(Boolean)) keys.push(["mark", language.say("key_mark")]);
  chart.set({
    language, heading: language.say("chart_days"), keys,
    label: language.say("chart_days_label", {
      conversations: language.count(total),
      conversions: known(isKnown ? conversions.reduce((sum, count) => sum + (count ?? 0), 0) : null),
    }),
    table: () => ({ caption: language.say("chart_days"), headers: [language.say("day"), conversationsWord, conversionsWord, language.say("state")], rows: rows() }),
  });
  if (answer.rows.length === 0) return chart.empty(language.say("nothing_here"));
  const xs = conversions.map((_, place) => place);
  const points = { show: conversions.length <= 31, size: 5 };
  chart.draw({
    xs, marks, select, yMost: 4,
    values: [conversations, conversions],
    series: (color) => [
      { stroke: color.conversations, fill: color.conversationsArea, width: 1.75, points: { ...points, fill: color.conversations } },
      { stroke: color.conversions, fill: color.conversionsArea, width: 1.75, points: { ...points, fill: color.conversions } },
    ],
    xLabel: date, yLabel: (count) => (Number.isInteger(count) ? language.short.format(count) : ""), increments: DAY_STEPS,
    tip: (place) => [language.date(series.date(query.first + place)), `${conversationsWord}: ${known(conversations[place])}`,
      `${conversionsWord}: ${known(conversions[place])}`, ...(marks[place] ? [language.say(`day_${marks[place]}`)] : [])],
  });
}

/** Cost per conversion of a currency: of each day, and of the seven days that end with it. */
function drawCosts(chart, { series, language, query, answer, select, currency, chooseCurrency }) {
  const { perDay } = answer;
  const currencies = [...perDay.currencies].filter(([name, costs]) => name !== null && costs.conversions.some((count) => count > 0)).map(([name]) => name).sort();
  const chosen = currencies.includes(currency) ? currency : answer.totals.map((total) => total.currency).find((name) => currencies.includes(name));
  const buttons = currencies.length < 2 ? [] : currencies.map((name) => {
    const button = element("button", { type: "button", "aria-pressed": String(name === chosen) }, oneLine(name, 8));
    button.addEventListener("click", () => chooseCurrency(name));
    return button;
  });
  chart.extra.replaceChildren(...buttons);
  const costs = perDay.currencies.get(chosen);
  const size = perDay.size;
  const over = (from, to) => {
    let [spend, count] = [series.noSpend, 0];
    for (let place = Math.max(0, from); place <= to; place++) {
      spend += costs.spend[place];
      count += costs.conversions[place];
    }
    return quotient(series.millionths(spend), count);
  };
  const places = Array.from({ length: size }, (_, place) => place);
  const daily = chosen === undefined ? [] : places.map((place) => over(place, place));
  const weekly = chosen === undefined ? [] : places.map((place) => (place < 6 ? null : over(place - 6, place)));
  const known = (cost) => (cost === null ? language.say("unknown") : language.money(cost, chosen));
  const words = [language.say("cost_of_day"), language.say("cost_of_week")];
  const isLong = weekly.some((cost) => cost !== null);
  const marks = dayMarks(series, query, true);
  chart.set({
    language,
    heading: language.say("chart_costs"),
    keys: chosen === undefined ? [] : [["point", words[0]], ...(isLong ? [["conversions", words[1]]] : []), ...(marks.some(Boolean) ? [["mark", language.say("key_mark")]] : [])],
    label: language.say("chart_costs_label", { currency: chosen ?? "–" }),
    table: chosen === undefined ? null : () => ({
      caption: `${language.say("chart_costs")} (${oneLine(chosen, 8)})`,
      headers: [language.say("day"), ...words, language.say("state")],
      rows: places.map((place) => [language.date(series.date(query.first + place)), known(daily[place]), known(weekly[place]),
        marks[place] ? language.say(`day_${marks[place]}`) : ""]),
    }),
  });
  if (chosen === undefined) return chart.empty(language.say("no_costs"));
  const compact = new Intl.NumberFormat(language.locale, { notation: "compact", maximumFractionDigits: 2 });
  chart.draw({
    xs: places, marks, select, yMost: 0.01,
    values: [daily.map(height), weekly.map(height)],
    series: (color) => [
      { stroke: color.point, width: 1, paths: isLong ? () => null : undefined, points: { show: true, size: size > 120 ? 3 : 5, fill: color.point } },
      { stroke: color.conversions, width: 2, spanGaps: true, points: { show: false } },
    ],
    xLabel: (place) => language.shortDate(series.date(query.first + place)), yLabel: (cost) => compact.format(cost), increments: DAY_STEPS,
    tip: (place) => [language.date(series.date(query.first + place)), `${words[0]}: ${known(daily[place])}`,
      ...(isLong && place >= 6 ? [`${words[1]}: ${known(weekly[place])}`] : []), ...(marks[place] ? [language.say(`day_${marks[place]}`)] : [])],
  });
}

/** Conversions by the days they took. */
function drawLags(chart, { language, answer }) {
  const { lags } = answer;
  const total = lags.reduce((sum, count) => sum + count, 0);
  const upTo = (days) => lags.slice(0, days + 1).reduce((sum, count) => sum + count, 0);
  const share = (days) => language.rate(quotient(BigInt(upTo(days)) * MILLION, total) ?? 0n);
  let last = 90;
  while (last > 7 && !lags[last]) last--;
  const places = Array.from({ length: Math.min(90, last) + 1 }, (_, place) => place);
  const note = total === 0 ? "" : language.say("lag_shares", { same: share(0), week: share(7), month: share(30) });
  const count = (place) => (place === 90 ? lags[90] + lags[91] : lags[place]);
  chart.set({
    language, heading: language.say("chart_lags"), label: `${language.say("chart_lags")}. ${note}`, note,
    table: () => ({
      caption: language.say("chart_lags"), headers: [language.say("days_to_convert"), language.say("column_conversions"), language.say("share_so_far")],
      rows: places.filter(count).map((place) => [language.count(place), language.count(count(place)), share(place)]),
    }),
  });
  if (total === 0) return chart.empty(language.say("no_conversions"));
  chart.draw({
    xs: places, values: [places.map(count)], yMost: 4, increments: [1, 2, 5, 7, 10, 15, 30],
    series: (color) => [{ stroke: color.conversions, fill: color.conversions, width: 0, paths: uPlot.paths.bars({ size: [0.8, 28] }), points: { show: false } }],
    xLabel: (place) => String(place), yLabel: (value) => (Number.isInteger(value) ? language.short.format(value) : ""),
    tip: (place) => [language.sayCount("lag", place), `${language.say("column_conversions")}: ${language.count(count(place))}`, language.say("so_far", { share: share(place) })],
  });
}

/** The ads with most conversions; with most conversations where none is known. */
function drawTop(chart, { series, language, answer, open }) {
  const by = answer.rows.some((row) => row.conversions > 0) ? "conversions" : "conversations";
  const top = answer.rows.filter((row) => row[by] > 0).sort((a, b) => b[by] - a[by] || b.conversations - a.conversations || a.ad - b.ad).slice(0, 8);
  chart.set({
    language, heading: language.say(`chart_top_${by}`), label: language.say(`chart_top_${by}`),
    keys: [["conversations", language.say("column_conversations")], ["conversions", language.say("column_conversions")]],
    table: null,
  });
  chart.area.setAttribute("role", "group");
  if (top.length === 0) return chart.empty(language.say("nothing_here"));
  const most = Math.max(...top.map((row) => Math.max(row.conversations, row.conversions ?? 0)));
  const items = top.map((row) => {
    const cells = cellsOf(series, row);
    const name = element("button", { type: "button", class: "open" }, outside(cells.ad_title ?? cells.ad_id, 60));
    name.addEventListener("click", () => open(row, name));
    const bar = (kind, count) => {
      const made = element("span", { class: `bar ${kind}` });
      made.style.width = `${(100 * count) / most}%`;
      return made;
    };
    const number = (kind, count) => element("span", { class: `figure ${kind}` }, ...(count === null ? unknown(language) : [
      language.count(count), element("span", { class: "unseen" }, ` ${language.say(`column_${kind}`)}`)]));
    return element("li", {}, name, element("span", { class: "bars", "aria-hidden": "true" }, bar("conversations", row.conversations), bar("conversions", row.conversions ?? 0)),
      number("conversations", row.conversations), number("conversions", row.conversions));
  });
  chart.area.replaceChildren(element("ol", { class: "top-ads" }, ...items));
}
