"""Lakes written by pandas, fastparquet, Polars and DuckDB."""

import duckdb
import fastparquet
import numpy
import pandas
import polars

from arrow import MICROS, REFERRAL, arrow, folded, parquet, words, TEXTS
from lay import COUNTS, IDS, LAKES, TABLES, TIME, cells, lake, mapped

import pyarrow as pa

TIMED = ("messages", "events")

# --------------------------------------------------------------------------------------------------------------- pandas


def frame(table, rows, **changes):
    """A frame as scripts make it: text as objects, times with a zone, money as decimals, counts that may be NULL."""
    columns = cells(table, rows)
    made = pandas.DataFrame({name: pandas.Series(values, dtype=object) for name, values in columns.items()})
    if table in TIME:
        made[TIME[table]] = pandas.to_datetime(pandas.Series(columns[TIME[table]], dtype="int64"), unit="us", utc=True)
    for name in COUNTS:
        if name in made:
            made[name] = pandas.array(columns[name], dtype="Int64")
    for name, change in changes.items():
        if name in made:
            made[name] = change(made[name])
    return made


def by_pandas(changes={}, whole=lambda frame: frame, **options):
    def write(path, table, rows):
        whole(frame(table, rows, **changes)).to_parquet(path, **options)

    return write


def pandas_lake(name, tables=TABLES, **how):
    LAKES[f"pandas-{name}"] = lambda lake: lake.every(by_pandas(**how), tables)


TEXT = (*IDS, "direction", "ad_type", "ad_title", "ctwa_clid", "category", "currency")
to_all = lambda change, names=TEXT: {name: change for name in names}
# Not by way of `map`, which makes floats of integers beside NULL.
as_integer = lambda column: pandas.Series(pandas.array([mapped(value, int) for value in column], dtype="Int64"), index=column.index)
as_float = lambda column: column.astype("float64")
with_nan = lambda column: column.where(column.notna(), float("nan"))

pandas_lake("pyarrow")
pandas_lake("index", whole=lambda frame: frame.set_index(frame.columns[0], drop=False).rename_axis("i").sample(frac=1, random_state=1))
pandas_lake("index-of-a-column", TIMED, whole=lambda frame: frame.set_index(["bot_id", "contact_id"]))
pandas_lake("index-kept", whole=lambda frame: frame[::-1], index=True)
pandas_lake("categorical", changes=to_all(lambda column: column.astype("category")))
pandas_lake("str-dtype", changes=to_all(lambda column: column.astype("str")))
pandas_lake("string-dtype", changes=to_all(lambda column: column.astype("string")))
pandas_lake("arrow-dtype", changes=to_all(lambda column: column.astype(pandas.ArrowDtype(pa.large_string()))))
pandas_lake("object-nan", changes=to_all(with_nan))
pandas_lake("nullable-integers", TIMED, changes=to_all(as_integer, ("ad_id", "contact_id")))
pandas_lake("ids-turned-float", ("messages",), changes={"ad_id": as_float})
pandas_lake("ids-turned-float-text", ("messages",), changes={"ad_id": lambda column: as_float(column).map(repr).astype(object)})
pandas_lake("contacts-turned-float", ("messages",), changes={"contact_id": as_float})
pandas_lake("nan-as-text", ("messages",), changes={"ad_id": lambda column: with_nan(column).map(str)})
pandas_lake("nan-as-text-everywhere", ("messages",), changes=to_all(lambda column: with_nan(column).map(str), ("ad_id", "ad_type", "ad_title", "ctwa_clid")))
pandas_lake("none-as-text", ("messages",), changes={"ad_id": lambda column: column.map(str)})
pandas_lake("counts-turned-float", ("insights",), changes=to_all(lambda column: column.astype("float64"), COUNTS))
pandas_lake("spend-float", ("insights",), changes={"spend": as_float})
pandas_lake("datetime-ns", TIMED, changes={name: lambda column: column.astype("datetime64[ns, UTC]") for name in TIME.values()})
pandas_lake("datetime-naive", TIMED, changes={name: lambda column: column.dt.tz_localize(None) for name in TIME.values()})
pandas_lake("dictionaries", ("messages",), whole=lambda frame: frame.assign(
    metadata=[{key: mapped(row[name], str) for name, key in REFERRAL.items()} for row in frame.to_dict("records")]).drop(columns=list(REFERRAL)))
pandas_lake("gzip", compression="gzip")


@lake("pandas-partition-cols")
def _(lake):
    for table in TABLES:
        whole = pandas.concat([frame(table, lake.rows(table, day)).assign(date=day) for day in lake.days])
        lake.clear(table)
        whole.to_parquet(lake.path(table, ""), partition_cols=["date"], index=False)


@lake("pandas-partition-cols-bot")
def _(lake):
    for table in TIMED:
        whole = pandas.concat([frame(table, lake.rows(table, day)).assign(date=day) for day in lake.days])
        lake.clear(table)
        whole.to_parquet(lake.path(table, ""), partition_cols=["date", "bot_id"], index=False)


# ---------------------------------------------------------------------------------------------------------- fastparquet


def by_fastparquet(changes={}, **options):
    def write(path, table, rows):
        made = frame(table, rows, **changes)
        for name in COUNTS:
            if name in made:
                made[name] = made[name].astype("float64") if made[name].isna().any() else made[name].astype("int64")
        if "spend" in made and "spend" not in changes:
            made["spend"] = made["spend"].map(str)
        fastparquet.write(path, made, **options)

    return write


def fast_lake(name, tables=TABLES, **how):
    LAKES[f"fastparquet-{name}"] = lambda lake: lake.every(by_fastparquet(**how), tables)


fast_lake("plain", object_encoding="utf8")
fast_lake("gzip", compression="GZIP", object_encoding="utf8")
fast_lake("zstd", compression="ZSTD", object_encoding="utf8")
fast_lake("brotli", compression="BROTLI", object_encoding="utf8")
fast_lake("lz4", compression="LZ4_RAW", object_encoding="utf8")
fast_lake("bytes", TIMED, changes={name: lambda column: column.map(lambda value: value.encode() if value is not None else None) for name in (*TEXT, "content")},
          object_encoding="bytes")
fast_lake("json-encoding", TIMED, object_encoding="json")
fast_lake("int96", TIMED, times="int96", object_encoding="utf8", changes={name: lambda column: column.astype("datetime64[ns, UTC]") for name in TIME.values()})
# Which it takes for nanoseconds: all in January 1970.
fast_lake("int96-of-microseconds", TIMED, times="int96", object_encoding="utf8")
fast_lake("row-groups", row_group_offsets=2, object_encoding="utf8")
fast_lake("no-nulls-flag", TIMED, has_nulls=True, object_encoding="utf8")
fast_lake("no-statistics", stats=False, object_encoding="utf8")
fast_lake("categorical", TIMED, changes=to_all(lambda column: column.astype("category"), ("ad_id", "direction", "bot_id")), object_encoding="utf8")
fast_lake("ids-turned-float", ("messages",), changes={"ad_id": as_float}, object_encoding="utf8")
fast_lake("spend-float", ("insights",), changes={"spend": as_float}, object_encoding="utf8")
fast_lake("nan-as-text", ("messages",), changes={"ad_id": lambda column: with_nan(column).map(str)}, object_encoding="utf8")
fast_lake("nullable-integers", TIMED, changes=to_all(as_integer, ("ad_id", "contact_id")),
          object_encoding="utf8")


@lake("fastparquet-hive")
def _(lake):
    for table in TIMED:
        whole = pandas.concat([frame(table, lake.rows(table, day)).assign(date=day) for day in lake.days], ignore_index=True)
        lake.clear(table)
        fastparquet.write(lake.path(table, "")[:-1], whole, file_scheme="hive", partition_on=["date"], object_encoding="utf8")


# --------------------------------------------------------------------------------------------------------------- Polars


def by_polars(change=lambda frame, table: frame, **options):
    def write(path, table, rows):
        change(polars.from_arrow(arrow(table, rows)), table).write_parquet(path, **options)

    return write


def polars_lake(name, tables=TABLES, **how):
    LAKES[f"polars-{name}"] = lambda lake: lake.every(by_polars(**how), tables)


def casting(kinds):
    return lambda frame, _: frame.cast({name: kind for name, kind in kinds.items() if name in frame.columns})


polars_lake("plain")
for codec in ("lz4", "snappy", "gzip", "brotli", "uncompressed"):
    polars_lake(codec, compression=codec)
polars_lake("statistics-full", statistics="full", row_group_size=3, data_page_size=64)
polars_lake("categorical", TIMED, change=casting({name: polars.Categorical for name in ("ad_id", "bot_id", "direction", "category", "ad_type")}))
polars_lake("enum", TIMED, change=casting({"direction": polars.Enum(["received", "sent"]), "category": polars.Enum(["purchase", "lead"])}))
for name in ("Int64", "UInt64", "Int128"):
    polars_lake(f"ids-{name.lower()}", TIMED, change=casting({id: getattr(polars, name) for id in ("ad_id", "contact_id", "message_id", "bot_id")}))
polars_lake("ids-decimal", TIMED, change=casting({id: polars.Decimal(38, 0) for id in ("ad_id", "contact_id", "message_id")}))
polars_lake("ids-binary", TIMED, change=casting({id: polars.Binary for id in ("ad_id", "contact_id", "message_id")}))
polars_lake("ids-float64", ("messages",), change=casting({"ad_id": polars.Float64}))
for unit in ("ms", "us", "ns"):
    polars_lake(f"datetime-{unit}", TIMED, change=casting({name: polars.Datetime(unit, "America/Sao_Paulo") for name in TIME.values()}))
polars_lake("null-column", ("messages",), change=lambda frame, _: frame.with_columns(polars.lit(None).alias("ctwa_clid")))
polars_lake("struct", ("messages",), change=lambda frame, _: frame.with_columns(
    polars.struct(polars.col(name).alias(key) for name, key in REFERRAL.items()).alias("metadata")).drop(list(REFERRAL)))
polars_lake("counts-float", ("insights",), change=casting({name: polars.Float64 for name in COUNTS}))


@lake("polars-partition-by")
def _(lake):
    for table in TABLES:
        whole = polars.concat(polars.from_arrow(arrow(table, lake.rows(table, day))).with_columns(date=polars.lit(day)) for day in lake.days)
        lake.clear(table)
        whole.write_parquet(lake.path(table, ""), partition_by=["date"])


# --------------------------------------------------------------------------------------------------------------- DuckDB

BASE = duckdb.connect()
BASE.execute("set timezone = 'UTC'")


def by_duckdb(replace={}, options="", more=""):
    """Columns in the place of others, as DuckDB's expressions."""

    def write(path, table, rows):
        BASE.register("rows", arrow(table, rows))
        names = set(arrow(table, rows).column_names)
        changed = ", ".join(f'{expression} as "{name}"' for name, expression in replace.items() if name in names)
        columns = f"* replace ({changed})" if changed else "*"
        BASE.execute(f"copy (select {columns} {more} from rows) to '{path}' (format parquet {options})")
        BASE.unregister("rows")

    return write


def duck_lake(name, tables=TABLES, **how):
    LAKES[f"duckdb-{name}"] = lambda lake: lake.every(by_duckdb(**how), tables)


def cast(kind, names):
    return {name: f"{name}::{kind}" for name in names}


TIMES = tuple(TIME.values())
duck_lake("plain")
for codec in ("zstd", "gzip", "lz4_raw", "brotli", "uncompressed"):
    duck_lake(codec, options=f", compression {codec}")
duck_lake("version-2", options=", parquet_version v2")
duck_lake("row-groups", options=", row_group_size 2048, dictionary_size_limit 1")
duck_lake("no-bloom-filter", options=", write_bloom_filter false")
for kind in ("bigint", "ubigint", "decimal(20,0)", "decimal(38,0)", "enum"):
    slug = kind.split("(")[0] + (kind[kind.index("(") + 1:].split(",")[0] if "(" in kind else "")
    if kind != "enum":
        duck_lake(f"ids-{slug}", TIMED, replace=cast(kind, ("ad_id", "contact_id", "message_id", "bot_id")))
duck_lake("ids-hugeint", ("messages",), replace=cast("hugeint", ("ad_id",)))
duck_lake("ids-double", ("messages",), replace=cast("double", ("ad_id",)))
duck_lake("ids-blob", TIMED, replace={name: f"encode({name})" for name in ("ad_id", "contact_id", "message_id", "bot_id")})
duck_lake("ids-uuid", ("messages",), replace={"message_id": "('00000000-0000-0000-0000-' || lpad(message_id, 12, '0'))::uuid"})
duck_lake("enum", TIMED, replace={"direction": "direction::enum('received', 'sent')", "category": "category::enum('purchase', 'lead')"})
for kind in ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamptz"):
    duck_lake(f"time-{kind.replace('_', '-')}", TIMED, replace={name: f"{name}::timestamp::{kind}" for name in TIMES})
duck_lake("time-varchar", TIMED, replace={name: f"{name}::timestamptz::varchar" for name in TIMES})
duck_lake("time-epoch-ms", TIMED, replace={name: f"epoch_ms({name})" for name in TIMES})
duck_lake("time-date", TIMED, replace={name: f"{name}::date" for name in TIMES})
PAIRS = ", ".join(f"'{key}': {name}" for name, key in REFERRAL.items())
duck_lake("struct", ("messages",), more=f", {{{PAIRS}}} as metadata", replace={name: "null" for name in REFERRAL})
duck_lake("map", ("messages",), more=f", map {{{PAIRS}}} as metadata", replace={name: "null" for name in REFERRAL})
duck_lake("json", ("messages",), more=f", to_json({{{PAIRS}}}) as metadata", replace={name: "null" for name in REFERRAL})
duck_lake("counts-double", ("insights",), replace=cast("double", COUNTS))
duck_lake("counts-hugeint", ("insights",), replace=cast("hugeint", COUNTS))
duck_lake("spend-decimal", ("insights",), replace=cast("decimal(12,2)", ("spend",)))
duck_lake("odd-columns", more=", interval 1 day as i, [[1]] as l, time '01:00' as t, '101'::bit as b, null as n, 1::utinyint as u")


@lake("duckdb-partition-by")
def _(lake):
    for table in TABLES:
        whole = pa.concat_tables(arrow(table, lake.rows(table, day)).append_column("date", pa.array([day] * len(lake.rows(table, day))))
                                 for day in lake.days)
        lake.clear(table)
        BASE.register("rows", whole)
        BASE.execute(f"copy rows to '{lake.path(table, '')}' (format parquet, partition_by (date))")
        BASE.unregister("rows")


@lake("duckdb-aliases")
def _(lake):
    lake.aliases(by_duckdb())
