// The packed days as columns. Their form is told in series.rs.

async function unpack(text) {
  const letters = atob(text);
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;

  const number = () => {
    let value = 0;
    let place = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * place;
      if (byte < 0x80) return value;
      place *= 128;
    }
  };
  const bigNumber = () => {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
      shift += 7n;
    }
  };
  const column = (Kind, size) => {
    const values = new Kind(size);
    for (let i = 0; i < size; i++) values[i] = number();
    return values;
  };
  /** Where each part begins, from how long each is. */
  const starts = (lengths) => {
    const places = new Int32Array(lengths.length + 1);
    for (let i = 0; i < lengths.length; i++) places[i + 1] = places[i] + lengths[i];
    return places;
  };
  /** Values from their differences, anew for each part. */
  const accumulate = (values, places) => {
    for (let part = 0; part + 1 < places.length; part++) {
      for (let i = places[part] + 1; i < places[part + 1]; i++) values[i] += values[i - 1];
    }
    return values;
  };
  const spendColumn = (size) => {
    if (header.spend_is_small) {
      const values = new Float64Array(size);
      for (let i = 0; i < size; i++) {
        const zigzag = number();
        values[i] = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      }
      return values;
    }
    const values = new BigInt64Array(size);
    for (let i = 0; i < size; i++) {
      const zigzag = bigNumber();
      values[i] = (zigzag >> 1n) ^ -(zigzag & 1n);
    }
    return values;
  };

  const { ads, rows, lags } = header;
  const rowsOf = starts(column(Int32Array, ads.length));
  const series = {
    ...header,
    rowsOf,
    day: accumulate(column(Int32Array, rows), rowsOf),
    flags: column(Uint8Array, rows),
    conversations: column(Float64Array, rows),
    conversions: column(Float64Array, rows),
    cohort: column(Float64Array, rows),
    reach: column(Float64Array, rows),
    spend: spendColumn(rows),
    lagsOf: starts(column(Int32Array, ads.length)),
  };
  series.lagDay = accumulate(column(Int32Array, lags), series.lagsOf);
  series.lag = column(Int32Array, lags);
  series.lagCount = column(Float64Array, lags);
  const reachOf = starts(column(Int32Array, header.reach_ranges.length));
  const total = reachOf[reachOf.length - 1];
  const reachAds = accumulate(column(Int32Array, total), reachOf);
  const reachValues = column(Float64Array, total);
  if (at !== bytes.length) throw new Error("the packed days are not whole");

  const places = new Map(header.reach_ranges.map(([first, last], place) => [first * header.days + last, place]));
  /** Meta's figures for exactly these days: ad -> reach. */
  series.rangeReach = (first, last) => {
    const found = new Map();
    const place = places.get(first * header.days + last);
    if (place !== undefined) {
      for (let i = reachOf[place]; i < reachOf[place + 1]; i++) found.set(reachAds[i], reachValues[i]);
    }
    return found;
  };
  series.patterns = header.patterns.map((digits) => Uint8Array.from(digits, Number));
  /** Spend is summed in its own unit, exactly: numbers while every sum is a safe integer, else BigInt. */
  series.noSpend = header.spend_is_small ? 0 : 0n;
  const unit = 10n ** BigInt(6 - header.spend_decimals);
  series.millionths = (spend) => BigInt(spend) * unit;
  series.firstDay = Date.parse(`${header.first}T00:00:00Z`) / 86_400_000;
  series.date = (offset) => new Date((series.firstDay + offset) * 86_400_000).toISOString().slice(0, 10);
  series.offset = (date) => Date.parse(`${date}T00:00:00Z`) / 86_400_000 - series.firstDay;
  return series;
}
