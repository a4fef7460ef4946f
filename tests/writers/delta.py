"""Delta tables written by delta-rs, each with a history after which it holds the rows of the world."""

import datetime

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.table import TableMerger

from arrow import arrow, parquet
from lay import LAKES, TABLES, lake

TIMED = ("messages", "events")
PARTS = {"partition_by": ["date"]}


def dated(lake, table, day, kinds={}, change=lambda row: row):
    rows = [change(dict(row)) for row in lake.rows(table, day)]
    return arrow(table, rows, kinds).append_column("date", pa.array([day] * len(rows)))


def whole(lake, table, **how):
    return pa.concat_tables(dated(lake, table, day, **how) for day in lake.days)


def landed(lake, tables=TABLES, **how):
    """Each day as an append of its own."""
    for table in tables:
        lake.clear(table)
        for day in lake.days:
            write_deltalake(place(lake, table), dated(lake, table, day, **how), mode="append", **PARTS)


def place(lake, table):
    return lake.path(table, "")[:-1]


def history(name):
    def named(lay):
        LAKES[f"delta-{name}"] = lay
        return lay
    return named


@history("append")
def _(lake):
    landed(lake)


@history("delete")
def _(lake):
    landed(lake)
    more = lake.rows("messages", lake.odd)[0] | {"contact_id": "5511999999999", "message_id": "99999"}
    extra = arrow("messages", [more]).append_column("date", pa.array([lake.odd]))
    write_deltalake(place(lake, "messages"), extra, mode="append", **PARTS)
    DeltaTable(place(lake, "messages")).delete("contact_id = '5511999999999'")


@history("update")
def _(lake):
    landed(lake, change=lambda row: row | {"content": "x"} | ({"category": "other"} if row.get("category") == "purchase" else {}))
    DeltaTable(place(lake, "events")).update(predicate="category = 'other'", updates={"category": "'purchase'"})


@history("merge")
def _(lake):
    landed(lake, change=lambda row: row | ({"ad_id": "1"} if row.get("message_id") and row["ad_id"] else {}))
    # A copy and what it copies are one row of the source.
    source = whole(lake, "messages")
    source = source.group_by(source.column_names).aggregate([])
    merger: TableMerger = DeltaTable(place(lake, "messages")).merge(
        source, "t.message_id = s.message_id and t.sent_at = s.sent_at and t.contact_id = s.contact_id and t.date = s.date",
        source_alias="s", target_alias="t")
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


@history("optimize-and-vacuum")
def _(lake):
    landed(lake)
    for table in TABLES:
        write_deltalake(place(lake, table), dated(lake, table, lake.odd).slice(0, 0), mode="append", **PARTS)
        made = DeltaTable(place(lake, table))
        made.optimize.compact()
        made.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


@history("overwrite-a-partition")
def _(lake):
    landed(lake, change=lambda row: row | ({"contact_id": "1"} if "contact_id" in row else {"spend": "7.77"}))
    for table in TABLES:
        for day in lake.days:
            write_deltalake(place(lake, table), dated(lake, table, day), mode="overwrite", predicate=f"date = '{day}'", **PARTS)


@history("checkpoint")
def _(lake):
    landed(lake)
    for table in TABLES:
        made = DeltaTable(place(lake, table))
        made.create_checkpoint()
        made.cleanup_metadata()


@history("schema-added")
def _(lake):
    for table in TABLES:
        lake.clear(table)
        for day in lake.days:
            part = dated(lake, table, day)
            if day == lake.days[-1]:
                part = part.append_column("new", pa.array([1] * len(part)))
            write_deltalake(place(lake, table), part, mode="append", schema_mode="merge", **PARTS)


@history("restore")
def _(lake):
    landed(lake)
    for table in TABLES:
        made = DeltaTable(place(lake, table))
        made.delete(f"date = '{lake.odd}'")
        DeltaTable(place(lake, table)).restore(2)


@history("ids-int64")
def _(lake):
    landed(lake, TIMED, kinds={name: pa.int64() for name in ("ad_id", "contact_id", "message_id")})


@history("aliases-updated")
def _(lake):
    lake.clear("identities")
    rows = [row | {"contact_id": "1"} for row in lake.rows("identities")]
    write_deltalake(place(lake, "identities"), arrow("identities", rows))
    DeltaTable(place(lake, "identities")).update(updates={"contact_id": f"'{lake.rows('identities')[0]['contact_id']}'"},
                                                 predicate=f"alias = '{lake.rows('identities')[0]['alias']}'")
    made = DeltaTable(place(lake, "identities"))
    rest = arrow("identities", lake.rows("identities"))
    made.merge(rest, "t.alias = s.alias", source_alias="s", target_alias="t").when_matched_update_all().execute()


@history("partition-date32")
def _(lake):
    for table in TIMED:
        lake.clear(table)
        for day in lake.days:
            rows = lake.rows(table, day)
            part = arrow(table, rows).append_column("dia", pa.array([datetime.date.fromisoformat(day)] * len(rows)))
            write_deltalake(place(lake, table), part, mode="append", partition_by=["dia"])
