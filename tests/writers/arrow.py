"""Lakes written by pyarrow: encodings, times, ids, columns, mappings."""

import datetime
import decimal
import json
import zoneinfo

import pyarrow as pa
import pyarrow.parquet as pq

from lay import COUNTS, IDS, LAKES, TABLES, TIME, as_uuid, cells, instant, lake, mapped

MICROS = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 6)


def column(kind, values):
    """Values of a column in a type; a function makes the column itself."""
    if callable(kind):
        return kind(values)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.timestamp("us", tz=kind.tz)).cast(kind)
    if pa.types.is_integer(kind):
        return pa.array([mapped(value, int) for value in values], kind)
    if pa.types.is_decimal(kind):
        return pa.array([mapped(value, decimal.Decimal) for value in values], kind)
    if pa.types.is_floating(kind):
        return pa.array([mapped(value, float) for value in values], kind)
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode().cast(kind)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([mapped(value, str.encode) for value in values], kind)
    if kind == pa.uuid():
        bytes_of = [mapped(as_uuid(value), lambda value: value.bytes) for value in values]
        return pa.ExtensionArray.from_storage(kind, pa.array(bytes_of, pa.binary(16)))
    return pa.array(values, kind)


def usual(name):
    if name in TIME.values():
        return MICROS
    return pa.int64() if name in COUNTS else MONEY if name == "spend" else pa.string()


def arrow(table, rows, kinds={}, drop=(), rename={}, more={}):
    columns = {}
    for name, values in cells(table, rows).items():
        if name not in drop:
            columns[rename.get(name, name)] = column(kinds.get(name, usual(name)), values)
    for name, make in more.items():
        columns[name] = make(rows)
    return pa.table(columns)


def parquet(kinds={}, drop=(), rename={}, more={}, **options):
    """What writes rows as a file, so and so."""

    def write(path, table, rows):
        pq.write_table(arrow(table, rows, kinds, drop, rename, more), path, **options)

    return write


plain = parquet()


def every(name, tables=TABLES, **how):
    LAKES[name] = lambda lake: lake.every(parquet(**how), tables)


# ------------------------------------------------------------------------------------------------------------ encodings

for codec in ("snappy", "gzip", "zstd", "lz4", "brotli", "none"):
    every(f"pyarrow-{codec}", compression=codec)
every("pyarrow-no-dictionary", use_dictionary=False)
every("pyarrow-page-v2", data_page_version="2.0", compression="zstd")
every("pyarrow-format-1.0", version="1.0")
every("pyarrow-one-row-a-group", row_group_size=1)
every("pyarrow-one-row-a-page", data_page_size=1, write_batch_size=1, use_dictionary=False)
every("pyarrow-no-statistics", write_statistics=False)
every("pyarrow-page-index", write_page_index=True)
every("pyarrow-checksums", write_page_checksum=True)
every("pyarrow-no-arrow-schema", store_schema=False)
every("pyarrow-bloom-filters", bloom_filter_options={"ad_id": {"ndv": 100, "fpp": 0.01}}, tables=("messages",))
every("pyarrow-decimal-as-integer", store_decimal_as_integer=True)
every("pyarrow-byte-stream-split", use_dictionary=False, column_encoding={name: "BYTE_STREAM_SPLIT" for name in COUNTS},
      tables=("insights",))


def delta_encoded(encoding):
    def write(path, table, rows):
        content = arrow(table, rows)
        numbers = [field.name for field in content.schema if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)]
        texts = [field.name for field in content.schema if pa.types.is_string(field.type)]
        encodings = {name: "DELTA_BINARY_PACKED" for name in numbers} | {name: encoding for name in texts}
        pq.write_table(content, path, use_dictionary=False, column_encoding=encodings)

    return write


LAKES["pyarrow-delta-byte-array"] = lambda lake: lake.every(delta_encoded("DELTA_BYTE_ARRAY"))
LAKES["pyarrow-delta-length-byte-array"] = lambda lake: lake.every(delta_encoded("DELTA_LENGTH_BYTE_ARRAY"))

# ---------------------------------------------------------------------------------------------------------------- times

TIMED = ("messages", "events")


def timed(name, kind, **options):
    """Both times in a type or in words."""
    every(name, TIMED, kinds={column: kind for column in TIME.values()}, **options)


def words(form, zone=datetime.timezone.utc):
    return lambda values: pa.array([mapped(at, lambda at: form(instant(at).astimezone(zone))) for at in values], pa.string())


def numbers(divisor, kind=pa.int64()):
    return lambda values: pa.array([mapped(at, lambda at: at // divisor) for at in values]).cast(kind)


def with_nanos(values):
    return pa.array([mapped(at, lambda at: at * 1000 + 999) for at in values], pa.timestamp("ns"))


for unit in ("s", "ms", "us", "ns"):
    timed(f"time-{unit}", pa.timestamp(unit))
    timed(f"time-{unit}-utc", pa.timestamp(unit, tz="UTC"))
timed("time-us-sao-paulo", pa.timestamp("us", tz="America/Sao_Paulo"))
timed("time-below-us", with_nanos)
timed("time-int96", pa.timestamp("ns"), use_deprecated_int96_timestamps=True)
for unit, divisor in (("s", 1_000_000), ("ms", 1_000), ("us", 1)):
    timed(f"time-integer-{unit}", numbers(divisor))
timed("time-integer-s-int32", numbers(1_000_000, pa.int32()))
timed("time-integer-s-uint64", numbers(1_000_000, pa.uint64()))
timed("time-digits-ms", lambda values: numbers(1_000)(values).cast(pa.string()))
timed("time-integer-ns", lambda values: pa.array([mapped(at, lambda at: at * 1000) for at in values]))
timed("time-double", lambda values: pa.array([mapped(at, lambda at: at / 1e6) for at in values]))
timed("time-date", lambda values: pa.array([mapped(at, lambda at: instant(at).date()) for at in values]))

WEST = datetime.timezone(datetime.timedelta(hours=-3))
TEXTS = {
    "t-z": (lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"), WEST.utc),
    "blank-utc": (lambda at: at.strftime("%Y-%m-%d %H:%M:%S UTC"), WEST.utc),
    "blank-z": (lambda at: at.strftime("%Y-%m-%d %H:%M:%SZ"), WEST.utc),
    "two-digit-offset": (lambda at: at.strftime("%Y-%m-%d %H:%M:%S-03"), WEST),
    "four-digit-offset": (lambda at: at.strftime("%Y-%m-%dT%H:%M:%S%z"), WEST),
    "offset": (lambda at: at.isoformat(sep=" "), WEST),
    "fraction-3": (lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), WEST.utc),
    "fraction-7": (lambda at: at.strftime("%Y-%m-%d %H:%M:%S.0000000 +00:00"), WEST.utc),
    "fraction-9": (lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.000000999+00:00"), WEST.utc),
    "no-zone": (lambda at: at.strftime("%Y-%m-%d %H:%M:%S"), WEST.utc),
    "no-zone-sao-paulo": (lambda at: at.strftime("%Y-%m-%d %H:%M:%S"), zoneinfo.ZoneInfo("America/Sao_Paulo")),
    "day-first": (lambda at: at.strftime("%d/%m/%Y %H:%M:%S"), WEST.utc),
    "words": (lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT"), WEST.utc),
}
for form, (text, zone) in TEXTS.items():
    timed(f"time-text-{form}", words(text, zone))


@lake("time-naive-sao-paulo")
def _(lake):
    west = zoneinfo.ZoneInfo("America/Sao_Paulo")
    kind = lambda values: pa.array([mapped(at, lambda at: instant(at).astimezone(west).replace(tzinfo=None)) for at in values],
                                   pa.timestamp("us"))
    lake.every(parquet(kinds={column: kind for column in TIME.values()}), TIMED)


# ------------------------------------------------------------------------------------------------------------------ ids

ALL = ("messages", "events", "insights")


def ids(name, kind, columns=IDS, tables=ALL, and_aliases=True):
    def lay(lake):
        write = parquet(kinds={column: kind for column in columns})
        lake.every(write, tables)
        if and_aliases:
            lake.aliases(write)

    LAKES[name] = lay


def bare(kind):
    """Accounts are numbers without their prefix."""
    return lambda values: column(kind, [mapped(value, lambda value: value.removeprefix("act_")) for value in values])


for name, kind in {
    "int64": pa.int64(), "uint64": pa.uint64(), "decimal-20": pa.decimal128(20, 0), "decimal-38": pa.decimal128(38, 0),
    "decimal-76": pa.decimal256(76, 0),
}.items():
    ids(f"ids-{name}", bare(kind))
ids("ids-int32-bots", pa.int32(), ("bot_id",))
ids("ids-int16-bots", pa.uint16(), ("bot_id",))
ids("ids-decimal-2-whole", pa.decimal128(22, 2), ("ad_id",), ("messages",))
for name, kind in {
    "large-string": pa.large_string(), "string-view": pa.string_view(), "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "dictionary-int8": pa.dictionary(pa.int8(), pa.string()), "binary": pa.binary(), "large-binary": pa.large_binary(),
    "binary-view": lambda values: pa.array([mapped(value, str.encode) for value in values], pa.binary_view()),
}.items():
    ids(f"ids-{name}", kind, (*IDS, "direction", "ad_type", "ad_title", "ctwa_clid", "category", "currency"))
ids("ids-uuid", pa.uuid(), ("message_id", "event_id"))
ids("ids-double", pa.float64(), ("ad_id",), ("messages",))
LAKES["ids-float"] = lambda lake: lake.day("events", parquet(kinds={"contact_id": pa.float32()}))
ids("ids-boolean", lambda values: pa.array([mapped(value, lambda _: True) for value in values]), ("ad_id",), ("messages",))
ids("ids-list", lambda values: pa.array([mapped(value, lambda value: [value]) for value in values]), ("ad_id",), ("messages",))
ids("ids-struct", lambda values: pa.array([mapped(value, lambda value: {"id": value}) for value in values]), ("ad_id",), ("messages",))
ids("ids-timestamp", lambda values: pa.array([mapped(value, lambda _: 1) for value in values], pa.timestamp("s")), ("message_id",), ("messages",))
ids("ids-text-exponent", lambda values: pa.array([mapped(value, lambda value: f"{float(value):.15E}") for value in values]), ("ad_id",), ("messages",))
ids("ids-text-point-zero", lambda values: pa.array([mapped(value, lambda value: f"{value}.0") for value in values]), ("contact_id",), ("messages",), and_aliases=False)
ids("ids-text-object", lambda values: pa.array([mapped(value, lambda value: json.dumps({"id": value})) for value in values]), ("ad_id",), ("messages",))
ids("ids-blanks-around", lambda values: pa.array([mapped(value, lambda value: f"\t {value}\u00a0\n") for value in values]), ("ad_id", "contact_id", "message_id"), ("messages", "events"))
for word in ("nan", "None", "NULL", "<NA>", r"\N", "undefined"):
    slug = {"<NA>": "na", r"\N": "backslash-n"}.get(word, word.lower())
    fill = lambda values, word=word: pa.array([word if value is None else value for value in values])
    ids(f"words-{slug}", fill, ("ad_id",), ("messages",))
    ids(f"words-{slug}-everywhere", fill, ("ad_id", "ad_type", "ad_title", "ctwa_clid"), ("messages",))
ids("ids-not-utf8", lambda values: pa.array([mapped(value, lambda value: b"\xff\xfe" + value.encode()) for value in values]), ("ad_id",), ("messages",))

# -------------------------------------------------------------------------------------------- columns that hold nothing


@lake("nulls-of-every-type")
def _(lake):
    types = [pa.float64(), pa.int32(), pa.null(), pa.bool_(), MICROS, pa.list_(pa.string()), pa.struct([("a", pa.int8())]),
             pa.date32(), pa.decimal128(5, 1), pa.binary(3), pa.map_(pa.string(), pa.string()), pa.time64("us")]
    # As the odd day has no title: a file for each type, and the rows dealt to them.
    rows = lake.rows("messages", lake.odd)
    lake.clear("messages", f"date={lake.odd}")
    for place, kind in enumerate(types):
        path = lake.path("messages", f"date={lake.odd}", f"part-{place}.parquet")
        write = parquet(kinds={"ad_title": lambda values: pa.nulls(len(values), kind)})
        write(path, "messages", rows[place::len(types)])


for name, kind in {"null": pa.null(), "double": pa.float64(), "int32": pa.int32(), "boolean": pa.bool_()}.items():
    nothing = lambda values, kind=kind: pa.nulls(len(values), kind)
    LAKES[f"nulls-{name}"] = lambda lake, nothing=nothing: lake.day("messages", parquet(kinds={"ad_title": nothing}))


@lake("nulls-required-contact")
def _(lake):
    nothing = lambda values: pa.nulls(len(values), pa.float64())
    lake.every(parquet(kinds={"contact_id": nothing}), ("messages",))


@lake("empty-file-beside")
def _(lake):
    for table in TABLES:
        lake.add(f"{table}/date={lake.odd}/part-1.parquet", plain, table, [])


@lake("empty-file-of-another-schema")
def _(lake):
    for table in TABLES:
        pq.write_table(pa.table({"x": pa.array([], pa.float64()), "bot_id": pa.array([], pa.bool_())}),
                       lake.path(table, f"date={lake.odd}", "part-1.parquet"))


@lake("empty-file-without-columns")
def _(lake):
    for table in TABLES:
        pq.write_table(pa.table({}), lake.path(table, f"date={lake.odd}", "part-1.parquet"))


# -------------------------------------------------------------------------------------------------------------- columns


def odd_columns(rows):
    n = len(rows)
    return {
        "nested": lambda _: pa.array([[[["a"], []], None]] * n),
        "interval": lambda _: pa.array([(1, 2, 3)] * n, pa.month_day_nano_interval()),
        "geometry": lambda _: pa.array([b"\x01\x01\x00\x00\x00"] * n),
        "half": lambda _: pa.array([1.5] * n, pa.float16()),
        "fixed": lambda _: pa.array([b"abc"] * n, pa.binary(3)),
        "wide_decimal": lambda _: pa.array([decimal.Decimal(1)] * n, pa.decimal256(60, 2)),
        "time": lambda _: pa.array([datetime.time(1)] * n),
        "duration": lambda _: pa.array([datetime.timedelta(1)] * n, pa.duration("us")),
        "map": lambda _: pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int32())),
        "struct": lambda _: pa.array([{"a": {"b": [1]}}] * n),
        "null": lambda _: pa.nulls(n),
        "a b.c\n\"": lambda _: pa.array([1] * n),
        "": lambda _: pa.array([1] * n),
    }


@lake("columns-odd-ones-more")
def _(lake):
    def write(path, table, rows):
        more = odd_columns(rows)
        more.pop("interval")  # pyarrow writes none.
        plainly = parquet(more=more)
        plainly(path, table, rows)

    lake.every(write)


@lake("columns-2000")
def _(lake):
    more = {f"c{n}": lambda rows: pa.array(["x"] * len(rows)) for n in range(2000)}
    lake.day("messages", parquet(more=more))
    lake.day("events", parquet(more=more))


every("columns-upper-case", rename={name: name.upper() for name in (*IDS, *TIME.values(), "direction", "ad_type", "category")})
every("columns-camel-case", TIMED, rename={"direction": "Direction", "ad_id": "Ad_Id", "sent_at": "Sent_At"})
every("columns-twice-by-case", ("messages",), more={"AD_ID": lambda rows: pa.array(["7"] * len(rows))})
every("columns-only-twice-by-case", ("messages",), rename={"ad_id": "Ad_Id"}, more={"AD_ID": lambda rows: pa.array(["7"] * len(rows))})
every("columns-other-names", ("messages",), rename={"ad_id": "source_id", "contact_id": "wa_id", "sent_at": "ts"})
every("columns-near-names", ("messages",), rename={"ad_id": "adid"})
every("columns-missing", ("messages",), drop=("contact_id", "message_id"), rename={"sent_at": "created"})
every("columns-no-click", ("messages",), drop=("ctwa_clid",))
every("columns-optional-missing", ("messages",), drop=("ad_title",))
LAKES["columns-in-another-order"] = lambda lake: lake.every(
    lambda path, table, rows: pq.write_table((whole := arrow(table, rows)).select(whole.column_names[::-1]), path))


@lake("columns-change-from-file-to-file")
def _(lake):
    ways = [{}, {"kinds": {"ad_id": pa.int64(), "sent_at": pa.timestamp("ms")}},
            {"kinds": {"bot_id": pa.binary(), "ad_title": pa.dictionary(pa.int32(), pa.string())}},
            {"rename": {"ad_id": "AD_ID", "direction": "Direction"}, "more": {"new": lambda rows: pa.array([1] * len(rows))}},
            {"kinds": {"sent_at": words(TEXTS["blank-utc"][0]), "message_id": pa.decimal128(20, 0)}}]
    rows = lake.rows("messages", lake.odd)
    lake.clear("messages", f"date={lake.odd}")
    for place, way in enumerate(ways):
        lake.add(f"messages/date={lake.odd}/part-{place}.parquet", parquet(**way), "messages", rows[place::len(ways)])


@lake("columns-lacking-in-one-file")
def _(lake):
    # A file lacks the ad's title; the day's other file has it.
    rows = lake.rows("messages", lake.odd)
    titled = [row for row in rows if row["ad_title"]]
    lake.clear("messages", f"date={lake.odd}")
    lake.add(f"messages/date={lake.odd}/a.parquet", plain, "messages", titled)
    lake.add(f"messages/date={lake.odd}/b.parquet", parquet(drop=("ad_title",)), "messages", [row for row in rows if not row["ad_title"]])


@lake("files-200-in-a-day")
def _(lake):
    for table in ("messages", "events"):
        rows = lake.rows(table, lake.odd)
        lake.clear(table, f"date={lake.odd}")
        for n in range(200):
            lake.add(f"{table}/date={lake.odd}/part-{n:05}.parquet", plain, table, rows[n::200])


# ------------------------------------------------------------------------------------------------------ words of columns


def worded(name, columns, tables=("messages",)):
    """Columns with other words in the place of the contract's."""
    kinds = {column: (lambda values, words=words: pa.array([mapped(value, lambda value: words.get(value, value)) for value in values]))
             for column, words in columns.items()}
    every(name, tables, kinds=kinds)


worded("direction-inbound", {"direction": {"received": "INBOUND", "sent": "OUTBOUND"}})
worded("direction-boolean", {"direction": {"received": False, "sent": True}})
worded("direction-upper-case", {"direction": {"received": "RECEIVED", "sent": "SENT"}})
worded("direction-integer-mapped", {"direction": {"received": 1, "sent": 2}})
worded("category-another-case", {"category": {"purchase": "Purchase"}}, ("events",))
every("ad-type-entry-point", ("messages",), drop=("ad_type",), more={"ad_type": lambda rows: pa.array(
    [row["ad_type"] if row["ad_id"] or row["ctwa_clid"] else "click_to_chat_link" for row in rows])})
worded("ad-type-upper-case", {"ad_type": {"ad": "AD", "post": "Post"}})

# ------------------------------------------------------------------------------------------------------------- mappings

REFERRAL = {"ad_id": "#wa.referral.source_id", "ad_type": "#wa.referral.source_type", "ad_title": "#wa.referral.headline",
            "ctwa_clid": "#wa.referral.ctwa_clid"}


def folded(row):
    return {key: row[name] for name, key in REFERRAL.items() if row[name] is not None}


def referral(name, make, tables=("messages",)):
    every(name, tables, drop=tuple(REFERRAL), more={"metadata": make})


def texts(of):
    """A JSON text of each row."""
    return lambda rows: pa.array([of(row) for row in rows], pa.string())


STRUCT = pa.struct([(key, pa.string()) for key in REFERRAL.values()])
PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
referral("mapping-struct", lambda rows: pa.array([folded(row) for row in rows], STRUCT))
referral("mapping-struct-integers", lambda rows: pa.array(
    [{key: int(value) if key.endswith("source_id") else value for key, value in folded(row).items()} for row in rows],
    pa.struct([(key, pa.int64() if key.endswith("source_id") else pa.string()) for key in REFERRAL.values()])))
referral("mapping-map", lambda rows: pa.array([list(folded(row).items()) for row in rows], pa.map_(pa.string(), pa.string())))
referral("mapping-map-large-view", lambda rows: pa.array([list(folded(row).items()) for row in rows], pa.map_(pa.string_view(), pa.large_string())))
referral("mapping-key-value-list", lambda rows: pa.array(
    [[{"key": key, "value": value} for key, value in folded(row).items()] for row in rows], PAIRS))
referral("mapping-json", texts(lambda row: json.dumps(folded(row))))
referral("mapping-json-binary", lambda rows: pa.array([json.dumps(folded(row)).encode() for row in rows]))
referral("mapping-json-integers", texts(lambda row: json.dumps(
    {key: int(value) if key.endswith("source_id") else value for key, value in folded(row).items()})))
referral("mapping-json-nulls-and-blanks", texts(lambda row: json.dumps(folded(row), indent=2) if folded(row) else " "))
referral("mapping-json-escapes", texts(lambda row: "".join(
    f"\\u{ord(c):04x}" if c == "." else c for c in json.dumps(folded(row), ensure_ascii=False))))
referral("mapping-json-no-such-key", texts(lambda row: json.dumps({"other": 1})))
referral("mapping-json-python-repr", texts(lambda row: repr(folded(row))))
referral("mapping-json-floats", texts(lambda row: json.dumps(
    {key: float(value) if key.endswith("source_id") else value for key, value in folded(row).items()})))
referral("mapping-json-cut-short", texts(lambda row: json.dumps(folded(row))[:-3] if folded(row) else None))
referral("mapping-json-object-for-id", texts(lambda row: json.dumps(
    {key: {"id": value} if key.endswith("source_id") else value for key, value in folded(row).items()})))
NESTED = {"ad_id": "source_id", "ad_type": "source_type", "ad_title": "headline", "ctwa_clid": "ctwa_clid"}
nested = lambda row: {"referral": {key: row[name] for name, key in NESTED.items() if row[name] is not None}}
referral("mapping-json-nested", texts(lambda row: json.dumps(nested(row))))
referral("mapping-struct-nested", lambda rows: pa.array(
    [nested(row) for row in rows], pa.struct([("referral", pa.struct([(key, pa.string()) for key in NESTED.values()]))])))
referral("mapping-map-of-struct", lambda rows: pa.array(
    [list(nested(row).items()) for row in rows], pa.map_(pa.string(), pa.struct([(key, pa.string()) for key in NESTED.values()]))))
referral("mapping-map-of-json", lambda rows: pa.array(
    [[(key, json.dumps(value)) for key, value in nested(row).items()] for row in rows], pa.map_(pa.string(), pa.string())))
LAKES["mapping-first-of-two"] = lambda lake: lake.every(parquet(drop=("ad_id",), more={
    "one": lambda rows: pa.array([row["ad_id"] if place % 2 else " " for place, row in enumerate(rows)]),
    "two": lambda rows: pa.array([row["ad_id"] if place % 2 == 0 else None for place, row in enumerate(rows)], pa.string()),
}), ("messages",))
every("mapping-constant-currency", ("insights",), drop=("currency",))

# ------------------------------------------------------------------------------------------------------------- insights


def figures(name, kinds={}, **how):
    every(f"insights-{name}", ("insights",), kinds=kinds, **how)


def of_counts(kind):
    return {name: kind for name in COUNTS}


as_words = lambda values: pa.array([mapped(value, lambda value: f"{value}".rstrip("0")) for value in values])
figures("counts-double", of_counts(pa.float64()))
figures("counts-float-nan", of_counts(lambda values: pa.array([float("nan") if value is None else float(value) for value in values], from_pandas=False)))
figures("counts-decimal", of_counts(pa.decimal128(20, 3)))
figures("counts-text", of_counts(lambda values: pa.array([mapped(value, str) for value in values])))
figures("counts-int16", of_counts(pa.int16()))
figures("counts-uint64", of_counts(pa.uint64()))
figures("counts-half", of_counts(lambda values: pa.array([mapped(value, lambda value: value + 0.5) for value in values])))
figures("counts-missing", drop=("clicks",))
for name, kind in {"decimal-10-2": pa.decimal128(10, 2), "decimal-38-10": pa.decimal128(38, 10), "decimal-76-20": pa.decimal256(76, 20),
                   "decimal-9-6": pa.decimal128(9, 6)}.items():
    figures(f"spend-{name}", {"spend": kind})
figures("spend-text", {"spend": as_words})
figures("spend-double", {"spend": pa.float64()})
figures("spend-float", {"spend": pa.float32()})
figures("spend-comma", {"spend": lambda values: pa.array([str(value).replace(".", ",") for value in values])})
figures("spend-integer-cents", {"spend": lambda values: pa.array([int(value * 100) for value in values])})
figures("currency-renamed", rename={"currency": "account_currency"})
figures("ids-integer", {"ad_id": pa.int64(), "adset_id": pa.int64(), "campaign_id": pa.int64()})
figures("campaign-double", {"campaign_id": pa.float64()})
figures("accounts-upper-case", {"account_id": lambda values: pa.array([value.upper() for value in values])})
figures("accounts-bare-integer", {"account_id": bare(pa.int64())})
figures("ids-double", {"ad_id": pa.float64()})
dates = lambda kind: {"date_start": lambda rows: pa.array([datetime.date.fromisoformat(row["partition"]) for row in rows]).cast(kind)}
figures("date-start-the-folders", more=dates(pa.date32()))
figures("date-column-text", more=dates(pa.string()))
figures("date-column-timestamp", more=dates(pa.timestamp("s")))


def sync_days(kind):
    """In the folder of the day after, when they were loaded."""
    def lay(lake):
        lake.clear("insights")
        for day in lake.days:
            after = (datetime.date.fromisoformat(day) + datetime.timedelta(1)).isoformat()
            write = parquet(more=dates(kind))
            write(lake.path("insights", f"date={after}", "part-0.parquet"), "insights", lake.rows("insights", day))
    return lay


LAKES["insights-sync-days"] = sync_days(pa.string())
LAKES["insights-sync-days-date32"] = sync_days(pa.date32())


def appended(loaded, change):
    """Rows of the odd day twice: as they were at first, and as they are."""
    def lay(lake):
        rows = lake.rows("insights", lake.odd)
        for place, (load, spend) in enumerate(((1, change), (2, lambda spend: spend))):
            of_load = [{**row, "spend": spend(row["spend"])} for row in rows]
            more = {"loaded": lambda rows, load=load: loaded(load, len(rows))} if loaded else {}
            lake.add(f"insights/date={lake.odd}/part-{place}.parquet", parquet(more=more), "insights", of_load)
        for day in lake.days:
            if day != lake.odd and loaded:
                lake.day("insights", parquet(more={"loaded": lambda rows: loaded(1, len(rows))}), day)
    return lay


loads = lambda load, rows: pa.array([load * 86_400_000_000] * rows, MICROS)
LAKES["insights-appended-loaded-at"] = appended(loads, lambda spend: "1.0")
LAKES["insights-appended-loaded-at-text"] = appended(lambda load, rows: pa.array([f"2026-09-1{load} 04:00:00 UTC"] * rows), lambda spend: "1.0")
LAKES["insights-appended-alike"] = appended(None, lambda spend: spend)
LAKES["insights-appended-differing"] = appended(None, lambda spend: "1.0")


@lake("insights-breakdown")
def _(lake):
    rows = [{**row, "age": age} for row in lake.rows("insights", lake.odd) for age in ("18-24", "25-34")]
    for place, row in enumerate(rows):
        row["spend"] = str(1 + place)
    more = {"age": lambda rows: pa.array([row["age"] for row in rows])}
    lake.add(f"insights/date={lake.odd}/part-0.parquet", parquet(more=more), "insights", rows)


# -------------------------------------------------------------------------------------------------------------- aliases


def aliased(name, write):
    LAKES[f"aliases-{name}"] = lambda lake: lake.aliases(write)


aliased("other-names", parquet(rename={"alias": "old_wa_id", "contact_id": "wa_id"}))
aliased("no-bot", parquet(kinds={"bot_id": lambda values: pa.nulls(len(values))}))
aliased("without-bot-column", parquet(drop=("bot_id",)))
aliased("json", parquet(drop=("alias", "contact_id"), more={"row": lambda rows: pa.array(
    [json.dumps({"was": row["alias"], "is": row["contact_id"]}) for row in rows])}))
aliased("constant-bot", parquet(drop=("bot_id",)))
aliased("double", parquet(kinds={"alias": pa.float64()}))
aliased("upper-case", parquet(rename={"alias": "ALIAS", "contact_id": "Contact_ID"}))


@lake("aliases-twice-alike")
def _(lake):
    lake.add("identities/deep/er/part-1.parq", plain, "identities", lake.rows("identities"))


@lake("aliases-loop-of-others")
def _(lake):
    others = [{"bot_id": None, "alias": "551190000091", "contact_id": "551190000092"},
              {"bot_id": None, "alias": "551190000092", "contact_id": "551190000091"}]
    more = [{"bot_id": None, "alias": f"5522{n:06}", "contact_id": f"5533{n:06}"} for n in range(400)]
    lake.add("identities/part-1.parquet", plain, "identities", others + more)


# -------------------------------------------------------------------------------------------------------- test contacts


@lake("test-contacts")
def _(lake):
    at = lake.rows("messages", lake.odd)[0]["sent_at"]
    touch = {"partition": lake.odd, "bot_id": "7001", "message_id": "99001", "contact_id": "5511000000000", "sent_at": at,
             "direction": "received", "ad_id": "120226305854810726", "ad_type": "ad", "ad_title": None, "ctwa_clid": None}
    event = {"partition": lake.odd, "bot_id": "7001", "contact_id": "5511000000000", "category": "purchase",
             "occurred_at": at + 60_000_000, "event_id": None}
    lake.add(f"messages/date={lake.odd}/part-1.parquet", plain, "messages", [touch])
    lake.add(f"events/date={lake.odd}/part-1.parquet", plain, "events", [event])
