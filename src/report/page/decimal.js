// Exact decimals: money, costs and rates are BigInt millionths, as in the tables.

const MILLION = 1_000_000n;

/** The quotient of millionths and a count, rounded half up at the sixth decimal; null when the count is 0. */
function quotient(millionths, count) {
  if (count <= 0) return null;
  const divisor = 2n * BigInt(count);
  const dividend = 2n * millionths + BigInt(count);
  const cut = dividend / divisor;
  // BigInt cuts towards 0; below it, half up needs the floor.
  return dividend < 0n && cut * divisor !== dividend ? cut - 1n : cut;
}

/** Plain, with all 6 decimals: -12.500000. */
function plain(millionths) {
  const digits = (millionths < 0n ? -millionths : millionths).toString().padStart(7, "0");
  return `${millionths < 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

/** For the height of a line in a chart, and nothing else. */
function height(millionths) {
  return millionths === null ? null : Number(millionths) / 1e6;
}
