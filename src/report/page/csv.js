// What is shown as CSV, as `ctwa report --format csv` writes it: the same columns, plain numbers, NULL as nothing, and an apostrophe
// before a text that a spreadsheet would run as a formula.

const CSV_COLUMNS = [
  "bot_id", "ad_id", "ad_title", "ad_type", "currency", "spend", "reach", "conversations", "cost_per_conversation", "conversions",
  "cost_per_conversion", "conversion_rate", "reach_min", "reach_max", "spend_unknown_days", "unconfigured_days",
];

/** The cells of a row by the names of the columns: text, number, BigInt millionths, or null. */
function cellsOf(series, row) {
  const ad = series.ads[row.ad];
  return {
    ...row,
    bot_id: ad.bot === null ? null : series.bots[ad.bot].id,
    ad_id: ad.id,
    ad_title: ad.title,
    ad_type: ad.kind,
    currency: ad.currency,
  };
}

/** A cell without any locale: what the tables hold. */
function exact(cell) {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "bigint" ? plain(cell) : String(cell);
}

function csvOf(series, rows) {
  const field = (cell) => {
    const guarded = typeof cell === "string" && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : exact(cell);
    return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
  };
  const lines = rows.map((row) => {
    const cells = cellsOf(series, row);
    return CSV_COLUMNS.map((column) => field(cells[column])).join(",");
  });
  return [CSV_COLUMNS.join(","), ...lines].map((line) => `${line}\n`).join("");
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
