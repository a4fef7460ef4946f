// The figures of a part of the range. Days are places after the first day of the file; both ends are included.
//
// Over the days: conversations are summed; spend and conversions are summed over the days on which they are known, null when there
// is none; a cost or rate is taken over the days on which both its figures are known, null when there is none or its divisor is 0.
// Reach is never added but as a bound. Amounts of two currencies are never added.

const ROW = 1;
const SHOWS_BY_CONVERSATION = 2;
const CONVERSIONS_KNOWN = 4;
const SPEND_KNOWN = 8;
const REACH_KNOWN = 16;
const CONFIGURED = 1;
const CONVERSIONS_ZERO = 2;
const SPEND_ZERO = 4;

/** What days add up to. Spend in the file's unit. */
class Sums {
  constructor(none) {
    this.conversations = 0;
    this.conversationsWithSpend = 0;
    this.conversationsWhenConfigured = 0;
    this.conversions = 0;
    this.conversionsKnown = false;
    this.spend = none;
    this.spendKnown = false;
    this.spendOfBoth = none;
    this.conversionsOfBoth = 0;
    this.bothKnown = false;
    this.spendUnknownDays = 0;
    this.unconfiguredDays = 0;
  }

  add(other) {
    this.conversations += other.conversations;
    this.conversationsWithSpend += other.conversationsWithSpend;
    this.conversationsWhenConfigured += other.conversationsWhenConfigured;
    this.conversions += other.conversions;
    this.conversionsKnown ||= other.conversionsKnown;
    this.spend += other.spend;
    this.spendKnown ||= other.spendKnown;
    this.spendOfBoth += other.spendOfBoth;
    this.conversionsOfBoth += other.conversionsOfBoth;
    this.bothKnown ||= other.bothKnown;
    this.spendUnknownDays += other.spendUnknownDays;
    this.unconfiguredDays += other.unconfiguredDays;
  }

  /** Sums, costs and rates. */
  figures(series) {
    const spend = this.spendKnown ? series.millionths(this.spend) : null;
    return {
      spend,
      conversations: this.conversations,
      cost_per_conversation: spend === null ? null : quotient(spend, this.conversationsWithSpend),
      conversions: this.conversionsKnown ? this.conversions : null,
      cost_per_conversion: this.bothKnown ? quotient(series.millionths(this.spendOfBoth), this.conversionsOfBoth) : null,
      conversion_rate: this.conversionsKnown
        ? quotient(BigInt(this.conversions) * MILLION, this.conversationsWhenConfigured)
        : null,
      spend_unknown_days: this.spendUnknownDays,
      unconfigured_days: this.unconfiguredDays,
    };
  }
}

/** What the days from `first` to `last` add up to, day by day. */
class DaySums {
  constructor(size) {
    this.conversations = new Float64Array(size);
    this.conversions = new Float64Array(size);
    this.conversionsKnown = new Uint8Array(size);
    this.currencies = new Map();
    this.size = size;
  }

  /** Of a currency, the days on which spend and conversions of an ad are both known. */
  costs(currency, none) {
    let costs = this.currencies.get(currency);
    if (!costs) {
      costs = { spend: new Array(this.size).fill(none), conversions: new Float64Array(this.size) };
      this.currencies.set(currency, costs);
    }
    return costs;
  }
}

/** The row of an ad over the days, null when it has no figure to show; `perDay` is added to. */
function adRow(series, ad, { first, last, by }, perDay, exactReach) {
  const { day, flags, conversations, conversions, cohort, reach, spend } = series;
  const pattern = series.patterns[series.ads[ad].pattern];
  const counted = by === "conversion-day" ? conversions : cohort;
  const shows = by === "conversion-day" ? ROW : SHOWS_BY_CONVERSATION;
  const end = series.rowsOf[ad + 1];
  let row = series.rowsOf[ad];
  while (row < end && day[row] < first) row++;
  let isShown = false;
  for (let i = row; i < end && day[i] <= last && !isShown; i++) isShown = (flags[i] & shows) !== 0;
  if (!isShown) return null;

  const sums = new Sums(series.noSpend);
  const costs = perDay && perDay.costs(series.ads[ad].currency, series.noSpend);
  let reachMax = null;
  let reachSum = null;
  for (let at = first; at <= last; at++) {
    if (row < end && day[row] === at) {
      const flag = flags[row];
      const started = conversations[row];
      sums.conversations += started;
      if (flag & SPEND_KNOWN) {
        sums.spendKnown = true;
        sums.spend += spend[row];
        sums.conversationsWithSpend += started;
      } else {
        sums.spendUnknownDays++;
      }
      if (flag & CONVERSIONS_KNOWN) {
        sums.conversionsKnown = true;
        sums.conversions += counted[row];
        sums.conversationsWhenConfigured += started;
        if (flag & SPEND_KNOWN) {
          sums.bothKnown = true;
          sums.spendOfBoth += spend[row];
          sums.conversionsOfBoth += counted[row];
        }
      } else {
        sums.unconfiguredDays++;
      }
      if (flag & REACH_KNOWN) {
        reachMax = Math.max(reachMax ?? 0, reach[row]);
        reachSum = (reachSum ?? 0) + reach[row];
      }
      if (perDay) {
        const place = at - first;
        perDay.conversations[place] += started;
        if (flag & CONVERSIONS_KNOWN) {
          perDay.conversionsKnown[place] = 1;
          perDay.conversions[place] += counted[row];
          if (flag & SPEND_KNOWN) {
            costs.spend[place] += spend[row];
            costs.conversions[place] += counted[row];
          }
        }
      }
      row++;
      continue;
    }
    const bits = pattern[at];
    if (!(bits & CONFIGURED)) sums.unconfiguredDays++;
    if (bits & SPEND_ZERO) sums.spendKnown = true;
    else sums.spendUnknownDays++;
    if (bits & CONVERSIONS_ZERO) {
      sums.conversionsKnown = true;
      if (bits & SPEND_ZERO) sums.bothKnown = true;
      if (perDay) perDay.conversionsKnown[at - first] = 1;
    }
  }
  const exact = first === last ? reachSum : exactReach.get(ad) ?? null;
  return {
    ad,
    sums,
    ...sums.figures(series),
    reach: exact,
    reach_min: exact ?? reachMax,
    reach_max: exact ?? reachSum,
  };
}

/** Conversions by the days from conversation to conversion. */
function addLags(series, ad, { first, last, by }, lags) {
  const pattern = series.patterns[series.ads[ad].pattern];
  for (let i = series.lagsOf[ad]; i < series.lagsOf[ad + 1]; i++) {
    const conversationDay = series.lagDay[i] - series.lag[i];
    const at = by === "conversion-day" ? series.lagDay[i] : conversationDay;
    if (at < first || at > last || !(pattern[at] & CONVERSIONS_ZERO)) continue;
    const place = Math.min(series.lag[i], lags.length - 1);
    lags[place] += series.lagCount[i];
  }
}

/** Letters without case and accents, to be searched. */
function bare(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Everything that is shown for a query: rows in the report's order, totals by currency, sums per day, lags. */
function answer(series, query) {
  const { first, last, bot, account, kind, search } = query;
  const perDay = new DaySums(last - first + 1);
  const lags = new Float64Array(92);
  const exactReach = first === last ? new Map() : series.rangeReach(first, last);
  const sought = bare(search.trim());
  const rows = [];
  series.ads.forEach((ad, place) => {
    if (bot !== null && ad.bot !== bot) return;
    if (account !== null && ad.account !== account) return;
    if (kind && ad.kind !== kind) return;
    if (sought) {
      ad.sought ??= bare(`${ad.id}\n${ad.title ?? ""}`);
      if (!ad.sought.includes(sought)) return;
    }
    const row = adRow(series, place, query, perDay, exactReach);
    if (row === null) return;
    rows.push(row);
    addLags(series, place, query, lags);
  });
  const botOf = (row) => series.ads[row.ad].bot ?? series.bots.length;
  rows.sort((a, b) =>
    botOf(a) - botOf(b) || b.conversations - a.conversations || compareUnknownLast(b.spend, a.spend, -1) || a.ad - b.ad);

  const totals = new Map();
  for (const row of rows) {
    const { currency } = series.ads[row.ad];
    if (!totals.has(currency)) totals.set(currency, new Sums(series.noSpend));
    totals.get(currency).add(row.sums);
  }
  const byName = (a, b) => (a.currency === null) - (b.currency === null) || (a.currency < b.currency ? -1 : 1);
  return {
    rows,
    perDay,
    lags,
    totals: [...totals].map(([currency, sums]) => ({ currency, ...sums.figures(series) })).sort(byName),
  };
}

/** Order of two values that may be unknown; `unknown` is where the unknown one stands: 1 last, -1 first. */
function compareUnknownLast(a, b, unknown = 1) {
  if (a === null || b === null) return (a === null ? unknown : 0) - (b === null ? unknown : 0);
  return a < b ? -1 : a > b ? 1 : 0;
}
