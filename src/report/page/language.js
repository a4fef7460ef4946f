// Texts, numbers, money and dates in the reader's language.

class Language {
  /** `tag` is one of WORDS; the locale is the browser's for that language, as en-GB for en. */
  constructor(tag) {
    this.tag = tag;
    this.words = WORDS[tag];
    const own = (navigator.languages ?? []).find((language) => language.toLowerCase().split("-")[0] === tag);
    this.locale = own ?? { en: "en-US", es: "es-MX", pt: "pt-BR" }[tag];
    this.counts = new Intl.NumberFormat(this.locale);
    this.short = new Intl.NumberFormat(this.locale, { notation: "compact", maximumFractionDigits: 1 });
    this.rates = new Intl.NumberFormat(this.locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
    this.dates = new Intl.DateTimeFormat(this.locale, { timeZone: "UTC", year: "numeric", month: "short", day: "numeric" });
    this.shortDates = new Intl.DateTimeFormat(this.locale, { timeZone: "UTC", month: "short", day: "numeric" });
    this.plurals = new Intl.PluralRules(this.locale);
    this.moneys = new Map();
    this.collator = new Intl.Collator(this.locale, { numeric: true, sensitivity: "base" });
  }

  /** The first of the browser's languages that the page speaks. */
  static ofBrowser() {
    const tags = (navigator.languages ?? []).map((language) => language.toLowerCase().split("-")[0]);
    return tags.find((tag) => Object.hasOwn(WORDS, tag)) ?? "en";
  }

  /** A text, with its `{places}` filled. */
  say(name, places = {}) {
    return this.words[name].replace(/\{(\w+)\}/g, (_, place) => String(places[place]));
  }

  /** "1 day", "2 days". */
  sayCount(name, count) {
    const form = this.plurals.select(count) === "one" ? "one" : "other";
    return this.say(`${name}_${form}`, { n: this.count(count) });
  }

  count(count) {
    return this.counts.format(count);
  }

  /** To the currency's own decimals; small amounts to as many as it takes. A currency that no browser knows is written as it came. */
  money(millionths, currency) {
    const isSmall = millionths !== 0n && millionths > -MILLION && millionths < MILLION;
    const name = `${currency}/${isSmall}`;
    if (!this.moneys.has(name)) this.moneys.set(name, this.moneyFormat(currency, isSmall));
    return this.moneys.get(name)(plain(millionths));
  }

  moneyFormat(currency, isSmall) {
    const small = isSmall ? { maximumFractionDigits: 4 } : {};
    try {
      const format = new Intl.NumberFormat(this.locale, { style: "currency", currency, ...small });
      return (text) => format.format(text);
    } catch {
      const format = new Intl.NumberFormat(this.locale, { minimumFractionDigits: 2, maximumFractionDigits: isSmall ? 4 : 2 });
      return (text) => (currency === null ? format.format(text) : `${format.format(text)} ${currency.slice(0, 8)}`);
    }
  }

  rate(millionths) {
    return this.rates.format(plain(millionths));
  }

  date(date) {
    return this.dates.format(new Date(`${date}T00:00:00Z`));
  }

  shortDate(date) {
    return this.shortDates.format(new Date(`${date}T00:00:00Z`));
  }

  /** Ascending places of days as ranges of dates. */
  spans(series, days) {
    const spans = [];
    for (const day of days) {
      const last = spans[spans.length - 1];
      if (last && last[1] + 1 === day) last[1] = day;
      else spans.push([day, day]);
    }
    const date = (day) => this.shortDate(series.date(day));
    return spans.map(([first, last]) => (first === last ? date(first) : `${date(first)} – ${date(last)}`)).join(", ");
  }
}
