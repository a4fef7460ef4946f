// What was chosen, and who is told. The choice stands in the address, so that a link shows the same.

const CHOICES = { from: "", to: "", by: "", bot: "", account: "", kind: "", q: "", sort: "", language: "", theme: "" };

class Page {
  constructor(series) {
    this.series = series;
    this.choice = { ...CHOICES, ...this.ofAddress() };
    this.at = (id) => document.getElementById(id);
    this.accounts = [...new Set(series.ads.map((ad) => ad.account).filter((account) => account !== null))].sort();
    this.charts = Object.fromEntries(["days", "costs", "lags", "top"].map((name) => [name, new Chart(this.at(`chart-${name}`))]));
    this.table = new AdTable(this.at("table"), (row) => this.openDetail(row), (sort) => this.choose({ sort: sort.column + (sort.down ? "-" : "") }));
    this.listen();
  }

  ofAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries(Object.keys(CHOICES).filter((name) => asked.has(name)).map((name) => [name, asked.get(name)]));
  }

  /** The choice as the sums need it; what the file does not hold falls back to what it does. */
  query() {
    const { series, choice } = this;
    const day = (date, otherwise) => {
      const at = /^\d{4}-\d{2}-\d{2}$/.test(date) ? series.offset(date) : NaN;
      return Number.isInteger(at) ? Math.min(series.days - 1, Math.max(0, at)) : otherwise;
    };
    const first = day(choice.from, 0);
    const last = Math.max(first, day(choice.to, series.days - 1));
    const bot = series.bots.findIndex(({ id }) => id === choice.bot);
    return {
      first, last,
      by: ["conversion-day", "conversation-day"].includes(choice.by) ? choice.by : series.by,
      bot: bot < 0 ? null : bot,
      account: this.accounts.includes(choice.account) ? choice.account : null,
      kind: ["ad", "post"].includes(choice.kind) ? choice.kind : "",
      search: choice.q,
    };
  }

  sort() {
    const column = this.choice.sort.replace(/-$/, "");
    return Object.hasOwn(WORDS.en, `column_${column}`) ? { column, down: this.choice.sort.endsWith("-") } : { column: null, down: false };
  }

  choose(change) {
    Object.assign(this.choice, change);
    const kept = Object.entries(this.choice).filter(([, value]) => value);
    try {
      history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
    } catch {
      // A file that is shown inside another page may not change its address; the choice holds all the same.
    }
    this.draw();
  }

  listen() {
    const { at } = this;
    for (const [id, name] of [["from", "from"], ["to", "to"], ["by", "by"], ["bot", "bot"], ["account", "account"], ["kind", "kind"], ["language", "language"], ["theme", "theme"]]) {
      at(id).addEventListener("change", () => this.changed(name, at(id)));
    }
    let waiting = 0;
    at("search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.choose({ q: at("search").value }), this.series.ads.length > 200 ? 120 : 0);
    });
    at("csv").addEventListener("click", () => {
      const { first, last } = this.query();
      const name = `${this.series.pipeline.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 60)}-${this.series.date(first)}-${this.series.date(last)}.csv`;
      download(name, csvOf(this.series, this.table.ordered));
    });
    at("print").addEventListener("click", () => window.print());
    window.addEventListener("hashchange", () => {
      this.choice = { ...CHOICES, ...this.ofAddress() };
      this.draw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    window.addEventListener("beforeprint", () => this.drawForPaper(true));
    window.addEventListener("afterprint", () => this.drawForPaper(false));
    at("detail").addEventListener("click", (event) => {
      if (event.target === at("detail")) at("detail").close();
    });
  }

  changed(name, field) {
    if ((name === "from" || name === "to") && !field.value) return;
    const change = { [name]: field.value };
    // A range turned around moves its other end along.
    if (name === "from" && this.choice.to && field.value > this.choice.to) change.to = field.value;
    if (name === "to" && field.value < (this.choice.from || this.series.first)) change.from = field.value;
    this.choose(change);
  }

  openDetail(row) {
    const { series, language } = this;
    drawDetail(this.at("detail"), { series, language, row, only: (id) => {
      this.at("search").value = id;
      this.choose({ q: id });
      this.at("search").focus();
    } });
  }

  /** The ranges one asks for most; the file's last day stands for today. */
  quickRanges() {
    const { series } = this;
    const last = series.days - 1;
    const [year, month] = series.date(last).split("-").map(Number);
    const firstOf = (ofYear, ofMonth) => series.offset(new Date(Date.UTC(ofYear, ofMonth - 1, 1)).toISOString().slice(0, 10));
    const ranges = [7, 28, 90].map((days) => [language => language.sayCount("last_days", days), last - days + 1, last]);
    ranges.push([(language) => language.say("this_month"), firstOf(year, month), last]);
    ranges.push([(language) => language.say("last_month"), firstOf(year, month - 1), firstOf(year, month) - 1]);
    ranges.push([(language) => language.say("whole_range"), 0, last]);
    return ranges;
  }

  drawQuick(query) {
    const { series, language } = this;
    this.at("quick").setAttribute("aria-label", language.say("quick"));
    this.at("quick").replaceChildren(...this.quickRanges().map(([name, first, last], place) => {
      const isHeld = first >= 0 && first <= last;
      const isChosen = isHeld && query.first === first && query.last === last;
      const button = element("button", { type: "button", disabled: !isHeld, "aria-pressed": String(isChosen), "data-quick": place,
        title: isHeld ? null : language.say("not_held", { first: language.date(series.first) }) }, name(language));
      button.addEventListener("click", () => {
        this.choose({ from: series.date(first), to: series.date(last) });
        this.at("quick").children[place].focus();
      });
      return button;
    }));
  }

  drawFields(query) {
    const { series, language, at, choice } = this;
    const lastDate = series.date(series.days - 1);
    for (const [id, day] of [["from", query.first], ["to", query.last]]) {
      Object.assign(at(id), { min: series.first, max: lastDate, value: series.date(day) });
    }
    at("by").value = query.by;
    at("kind").value = query.kind;
    const options = (id, values, chosen) => {
      at(id).replaceChildren(element("option", { value: "" }, language.say("all")),
        ...values.map((value) => element("option", { value }, oneLine(value, 60))));
      at(id).value = chosen;
      at(`${id}-field`).hidden = values.length < 2;
    };
    options("bot", series.bots.map(({ id }) => id), query.bot === null ? "" : series.bots[query.bot].id);
    options("account", this.accounts, query.account ?? "");
    at("kind-field").hidden = !series.ads.some((ad) => ad.kind === "post");
    if (document.activeElement !== at("search")) at("search").value = choice.q;
    at("search").placeholder = language.say("search_hint");
    at("language").value = language.tag;
    at("theme").value = choice.theme || "auto";
  }

  drawWords() {
    const { language, series, at } = this;
    document.documentElement.lang = language.locale;
    for (const marked of document.querySelectorAll("[data-word]")) marked.textContent = language.say(marked.dataset.word);
    document.title = `${language.say("title")} · ${oneLine(series.pipeline, 60)}`;
    at("pipeline").replaceChildren(outside(series.pipeline, 60));
    at("held").textContent = language.say("held", { first: language.date(series.first), last: language.date(series.date(series.days - 1)) });
    at("hidden-ads").textContent = series.hidden_ads > 0 ? language.sayCount("hidden_ads", series.hidden_ads) : "";
  }

  draw() {
    const { choice, series, at } = this;
    const tag = Object.hasOwn(WORDS, choice.language) ? choice.language : Language.ofBrowser();
    if (this.language?.tag !== tag) {
      this.language = new Language(tag);
      this.drawWords();
    }
    const { language } = this;
    const isDark = choice.theme === "dark" || (choice.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = isDark && !document.documentElement.dataset.paper ? "dark" : "light";

    const query = this.query();
    const answered = answer(series, query);
    this.drawQuick(query);
    this.drawFields(query);
    drawAlerts(at("alerts"), series, language, alertsOf(series, query));
    drawTotals(at("totals"), language, answered.totals);
    const chosen = language.say("chosen", {
      first: language.date(series.date(query.first)), last: language.date(series.date(query.last)),
      days: language.sayCount("days", query.last - query.first + 1), ads: language.sayCount("ads_shown", answered.rows.length),
    });
    if (at("chosen").textContent !== chosen) at("chosen").textContent = chosen;

    const select = (from, to) => this.choose({ from: series.date(query.first + from), to: series.date(query.first + to) });
    const given = { series, language, query, answer: answered, select };
    drawDays(this.charts.days, given);
    drawCosts(this.charts.costs, { ...given, currency: this.currency, chooseCurrency: (currency) => {
      this.currency = currency;
      this.draw();
      this.charts.costs.extra.querySelector("[aria-pressed=true]")?.focus();
    } });
    drawLags(this.charts.lags, given);
    drawTop(this.charts.top, { ...given, open: (row) => this.openDetail(row) });
    this.table.draw({ series, language, rows: answered.rows, sort: this.sort(), empty: this.emptyTable(query), caption: `${language.say("ads")}, ${chosen}` });
    at("csv").disabled = answered.rows.length === 0;
    at("totals").parentElement.hidden = answered.rows.length === 0;
    at("charts").hidden = answered.rows.length === 0;
  }

  /** Says why there is nothing, and offers the way back. */
  emptyTable({ bot, account, kind, search }) {
    const { language } = this;
    const isFiltered = bot !== null || account !== null || kind || search.trim();
    const said = element("div", { class: "empty" }, element("p", {}, language.say(isFiltered ? "empty_filtered" : "empty_range")));
    const button = element("button", { type: "button" }, language.say(isFiltered ? "clear_filters" : "whole_range"));
    button.addEventListener("click", () => {
      this.at("search").value = "";
      this.choose(isFiltered ? { bot: "", account: "", kind: "", q: "" } : { from: "", to: "" });
    });
    said.append(button);
    return said;
  }

  /** On paper: the light colours, every row, and the notes unfolded. */
  drawForPaper(isForPaper) {
    if (isForPaper) document.documentElement.dataset.paper = "yes";
    else delete document.documentElement.dataset.paper;
    const notes = () => this.at("alerts").querySelector("details");
    if (isForPaper) this.notesWereOpen = notes()?.open;
    this.draw();
    if (notes()) notes().open = isForPaper || Boolean(this.notesWereOpen);
    if (isForPaper) this.table.drawRows(true);
  }
}

if (window.ctwaGuard.isThere) {
  const holder = document.getElementById("series");
  unpack(holder.textContent.trim()).then((series) => {
    holder.remove();
    document.getElementById("opening").hidden = true;
    document.getElementById("report").hidden = false;
    new Page(series).draw();
    document.documentElement.dataset.ready = "yes";
  }).catch((error) => {
    console.error(error);
    window.ctwaGuard.broken();
  });
}
