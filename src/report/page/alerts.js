// What the figures alone do not say: what is not set up and what to do about it, and which days may still change.

/** The alerts of a query, the gravest first: { grave, name, places, days, bots }. */
function alertsOf(series, { first, last, bot, by }) {
  const days = [];
  for (let day = first; day <= last; day++) days.push(day);
  const bots = series.bots.filter((_, place) => bot === null || place === bot);
  const alerts = [];
  const ofBots = (name, grave, found, daysOf) => {
    if (found.length) alerts.push({ name, grave, bots: found.map(({ id }) => id), days: daysOf ? daysOf(found) : null });
  };
  const is = (place, letters) => (of) => letters.includes(of[place]);
  const daysWhere = (found, test) => days.filter((day) => found.some((of) => test(of, day)));

  const published = days.filter((day) => series.published[day] === "1");
  const configuredDays = (of) => days.filter((day) => of.configured[day] === "1").length;
  ofBots("alert_no_event", true, bots.filter((of) => configuredDays(of) === 0));
  const late = bots.filter((of) => configuredDays(of) > 0 && configuredDays(of) < days.length);
  ofBots("alert_event_later", false, late, (found) => daysWhere(found, (of, day) => of.configured[day] === "0"));

  const ofStatus = (of, letters) => published.filter((day) => is(day, letters)(of.status));
  const withoutInsights = bots.filter((of) => published.length > 0 && ofStatus(of, "nN-").length === published.length);
  ofBots("alert_no_insights", true, withoutInsights);
  const missing = bots.filter((of) => ofStatus(of, "mM").length > 0);
  ofBots("alert_insights_missing", true, missing, (found) => daysWhere(found, (of, day) => "mM".includes(of.status[day])));

  const unpublished = days.filter((day) => series.published[day] === "0");
  if (unpublished.length) alerts.push({ name: "alert_unpublished", grave: true, bots: [], days: unpublished });
  const incomplete = daysWhere(bots, (of, day) => /[A-Z]/.test(of.status[day]));
  if (incomplete.length) alerts.push({ name: "alert_incomplete", grave: false, bots: [], days: incomplete });
  const provisional = daysWhere(bots, (of, day) => "pP".includes(of.status[day]));
  if (provisional.length) alerts.push({ name: "alert_provisional", grave: false, bots: [], days: provisional });
  if (by === "conversation-day" && series.last_event_day) {
    const open = series.offset(series.last_event_day) + 1 - series.horizon_days;
    const young = days.filter((day) => day >= open);
    if (young.length) {
      const places = { last: series.last_event_day, horizon: series.horizon_days };
      alerts.push({ name: "alert_young", grave: false, bots: [], days: young, places });
    }
  }
  return alerts;
}

/** What to know of each day: "unpublished", "incomplete", or nothing; for spend also "missing" and "provisional". */
function dayMarks(series, { first, last, bot }, ofSpend) {
  const bots = series.bots.filter((_, place) => bot === null || place === bot);
  const marks = [];
  for (let day = first; day <= last; day++) {
    const letters = bots.map((of) => of.status[day]).join("");
    if (series.published[day] === "0") marks.push("unpublished");
    else if (/[A-Z]/.test(letters)) marks.push("incomplete");
    else if (ofSpend && letters.includes("m")) marks.push("missing");
    else if (ofSpend && letters.includes("p")) marks.push("provisional");
    else marks.push("");
  }
  return marks;
}

function drawAlerts(host, series, language, alerts) {
  const items = alerts.map(({ name, grave, bots, days, places = {} }) => {
    const filled = { ...places };
    if (filled.last) filled.last = language.date(filled.last);
    const item = element("li", { class: grave ? "alert grave" : "alert", "data-alert": name });
    item.append(element("span", { "aria-hidden": "true", class: "sign" }, grave ? "!" : "i"));
    const text = element("div", {}, element("strong", {}, language.say(name, filled)));
    if (bots.length) {
      const names = bots.slice(0, 12).flatMap((bot, place) => (place ? [", ", outside(bot, 60)] : [" ", outside(bot, 60)]));
      if (bots.length > 12) names.push(` … ${language.say("and_more", { n: language.count(bots.length - 12) })}`);
      text.append(element("span", { class: "which" }, ...names));
    }
    if (days) text.append(element("span", { class: "which" }, `${bots.length ? " · " : " "}${language.spans(series, days)}`));
    text.append(element("p", {}, language.say(`${name}_do`, filled)));
    item.append(text);
    return item;
  });
  host.hidden = items.length === 0;
  // What is wrong stays open; what is only worth knowing folds away.
  const wrong = items.filter((_, place) => alerts[place].grave);
  const other = items.filter((_, place) => !alerts[place].grave);
  const parts = [element("h2", { class: "unseen" }, language.say("alerts"))];
  if (wrong.length) parts.push(element("ul", {}, ...wrong));
  if (other.length) {
    const isOpen = host.querySelector("details")?.open ?? false;
    parts.push(element("details", { open: isOpen }, element("summary", {}, language.sayCount("hints", other.length)), element("ul", {}, ...other)));
  }
  host.replaceChildren(...parts);
}
