"""Delta Lake tables as delta-rs writes them, and beside each state of them the same rows as plain Parquet.

    delta.py histories PLAIN OUT   of a table in folders date=YYYY-MM-DD: every history below, state by state, as
                                   OUT/HISTORY/STATE/delta and OUT/HISTORY/STATE/plain
    delta.py table PLAIN OUT       the same table with column mapping, a version for each day

The plain rows are worked out here, row by row, and not read back from the table.
"""

import os
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

DAY = "2026-03-03"


def read(plain):
    """The rows of a plain table by day, with their schema."""
    days, schema = {}, None
    for folder in sorted(Path(plain).glob("date=*")):
        tables = [pq.ParquetFile(file).read() for file in sorted(folder.glob("*.parquet"))]
        schema = tables[0].schema
        days[folder.name[len("date=") :]] = [row for table in tables for row in table.to_pylist()]
    return days, schema


class History:
    """A table and the rows that it should have."""

    def __init__(self, out, days, schema, settings):
        self.settings = settings
        self.out, self.schema, self.states = Path(out), schema, 0
        self.path = self.out / "table"
        self.days = {day: [dict(row) for row in rows] for day, rows in days.items()}
        for day, rows in self.days.items():
            self.append(day, rows)
        self.keep()

    @property
    def table(self):
        return DeltaTable(str(self.path))

    def arrow(self, day, rows):
        table = pa.Table.from_pylist(rows, schema=self.schema)
        return table.append_column("date", pa.array([day] * len(rows), pa.string()))

    def append(self, day, rows, **options):
        new = {} if self.path.exists() else {"configuration": self.settings}
        write_deltalake(str(self.path), self.arrow(day, rows), mode="append", partition_by=["date"], **new, **options)

    def rows(self):
        return [(day, row) for day, rows in self.days.items() for row in rows]

    def keep(self):
        """Keeps the state: the table's files as they are, and its rows as plain Parquet."""
        state = self.out / str(self.states)
        shutil.copytree(self.path, state / "delta", copy_function=os.link)
        for day, rows in self.days.items():
            if rows:
                folder = state / "plain" / f"date={day}"
                folder.mkdir(parents=True)
                pq.write_table(pa.Table.from_pylist(rows, schema=self.schema), folder / "part-0.parquet")
        self.states += 1


def late(history):
    """Rows that come late for a day."""
    return [dict(row, message_id=row["message_id"] + "-late", contact_id=row["contact_id"] + "-late") for row in history.days[DAY]]


def append(history):
    rows = late(history)
    history.append(DAY, rows)
    history.days[DAY] += rows


def delete(history):
    history.table.delete(f"contact_id = 'ana-2' AND date = '{DAY}'")
    history.days[DAY] = [row for row in history.days[DAY] if row["contact_id"] != "ana-2"]


def delete_a_day(history):
    history.table.delete("date = '2026-03-01'")
    history.days["2026-03-01"] = []


def update(history):
    history.table.update(updates={"ad_id": "'B'"}, predicate="ad_id = 'A' AND message_id LIKE '%ana'")
    for _, row in history.rows():
        if row["ad_id"] == "A" and row["message_id"].endswith("ana"):
            row["ad_id"] = "B"


def merge(history):
    changed = dict(history.days[DAY][0], ad_id="Z")
    new = dict(history.days[DAY][0], message_id="m-new", contact_id="new")
    merging = history.table.merge(
        source=history.arrow(DAY, [changed, new]),
        predicate="t.message_id = s.message_id AND t.date = s.date",
        source_alias="s",
        target_alias="t",
    )
    merging.when_matched_update_all().when_not_matched_insert_all().execute()
    history.days[DAY][0] = changed
    history.days[DAY].append(new)


def overwrite(history):
    rows = late(history)[:2]
    table = history.arrow(DAY, rows)
    write_deltalake(str(history.path), table, mode="overwrite", predicate=f"date = '{DAY}'", partition_by=["date"])
    history.days[DAY] = rows


def optimize(history):
    history.table.optimize.compact()


def z_order(history):
    history.table.optimize.z_order(["contact_id"])


def vacuum(history):
    history.table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


def checkpoint(history):
    history.table.create_checkpoint()
    history.table.cleanup_metadata()


def compact_logs(history):
    table = history.table
    table.compact_logs(0, table.version())


def add_columns(history):
    rows = late(history)
    table = history.arrow(DAY, rows).append_column("campaign", pa.array(["c"] * len(rows), pa.string()))
    write_deltalake(str(history.path), table, mode="append", partition_by=["date"], schema_mode="merge")
    history.days[DAY] += rows


def without_titles(history):
    """A version whose files lack a column that the table has."""
    rows = [dict(row, ad_title=None) for row in late(history)]
    table = history.arrow(DAY, rows).drop_columns(["ad_title"])
    write_deltalake(str(history.path), table, mode="append", partition_by=["date"], schema_mode="merge")
    history.days[DAY] += rows


def restore(history):
    """Back to the version before the last one."""
    table, before = history.table, [list(rows) for rows in history.days.values()]
    table.delete("date = '2026-03-04'")
    kept = dict(zip(history.days, before))
    history.days["2026-03-04"] = []
    history.keep()
    history.table.restore(history.table.version() - 1)
    history.days = kept


MAPPED = [append, delete, update, merge, checkpoint, append]

HISTORIES = {
    "columns-by-name": MAPPED,
    "columns-by-number": MAPPED,
    "append": [append],
    "delete": [delete],
    "delete-a-day": [delete_a_day],
    "update": [update],
    "merge": [merge],
    "overwrite-a-partition": [overwrite],
    "optimize": [append, optimize, append, z_order],
    "vacuum": [delete, update, vacuum, append],
    "checkpoint": [delete, checkpoint, append, checkpoint, update],
    "compacted-log": [append, delete, compact_logs, update],
    "columns-added": [add_columns, without_titles, delete],
    "restore": [append, restore, delete],
}


SETTINGS = {
    "columns-by-name": {"delta.columnMapping.mode": "name"},
    "columns-by-number": {"delta.columnMapping.mode": "id"},
}


def main():
    what, plain, out = sys.argv[1:]
    days, schema = read(plain)
    if what == "table":
        for day, rows in days.items():
            table = pa.Table.from_pylist(rows, schema=schema).append_column("date", pa.array([day] * len(rows), pa.string()))
            new = {} if Path(out).exists() else {"configuration": SETTINGS["columns-by-name"]}
            write_deltalake(out, table, mode="append", partition_by=["date"], **new)
        return
    for name, steps in HISTORIES.items():
        history = History(Path(out) / name, days, schema, SETTINGS.get(name))
        for step in steps:
            step(history)
            history.keep()


main()
