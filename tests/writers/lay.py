"""Rows as they lie in a lake, and the lakes of the table by their names.

A lake starts as the contract has it, written by pyarrow; what a lake is named for is laid over that. Whatever is laid, the rows are
those of the world that tests/it/writers.rs made, so that one answer is right for all lakes.
"""

import datetime
import decimal
import os
import re
import shutil
import uuid

TABLES = ("messages", "events", "insights")
TIME = {"messages": "sent_at", "events": "occurred_at"}
COUNTS = ("impressions", "reach", "clicks", "inline_link_clicks", "messaging_conversations_started")
COLUMNS = {
    "messages": ("bot_id", "message_id", "contact_id", "sent_at", "direction", "ad_id", "ad_type", "ad_title", "ctwa_clid"),
    "events": ("bot_id", "contact_id", "category", "occurred_at", "event_id"),
    "insights": ("account_id", "ad_id", "currency", "spend", *COUNTS, "ad_name", "adset_id", "adset_name", "campaign_id",
                 "campaign_name"),
    "identities": ("bot_id", "alias", "contact_id"),
}
IDS = ("bot_id", "message_id", "contact_id", "ad_id", "event_id", "account_id", "adset_id", "campaign_id", "alias")
USUAL = "date={date}/part-0.parquet"

LAKES = {}


def lake(name):
    """Names a function that lays a lake."""

    def named(lay):
        assert name not in LAKES, name
        LAKES[name] = lay
        return lay

    return named


def instant(micros):
    return datetime.datetime.fromtimestamp(micros / 1_000_000, datetime.timezone.utc)


def mapped(value, change):
    return None if value is None else change(value)


class Lake:
    """A lake to lay: `rows` are those of the world by table and day."""

    def __init__(self, folder, rows, days):
        self.folder, self.world, self.days = folder, rows, days
        self.odd = days[1]  # The day on which a lake is odd that is odd on one.

    def rows(self, table, day=None):
        if table == "identities":
            return self.world[table]
        return [row for row in self.world[table] if day is None or row["partition"] == day]

    def path(self, *parts):
        path = os.path.join(self.folder, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def clear(self, *parts):
        path = os.path.join(self.folder, *parts)
        if os.path.isdir(path):
            shutil.rmtree(path)

    def day(self, table, write, day=None, name="part-0.parquet"):
        """Lands a day of a table anew."""
        day = day or self.odd
        self.clear(table, f"date={day}")
        write(self.path(table, f"date={day}", name), table, self.rows(table, day))

    def add(self, path, write, table, rows):
        write(self.path(path), table, rows)

    def every(self, write, tables=TABLES, to=USUAL):
        """Lands all days of tables anew."""
        for table in tables:
            self.clear(table)
            for day in self.days:
                write(self.path(table, laid(to, day)), table, self.rows(table, day))

    def aliases(self, write, name="part-0.parquet"):
        self.clear("identities")
        write(self.path("identities", name), "identities", self.rows("identities"))


def laid(to, day):
    date = datetime.date.fromisoformat(day)
    parts = {"date": day, "yyyymmdd": day.replace("-", ""), "yyyy": f"{date.year}", "mm": f"{date.month:02}",
             "dd": f"{date.day:02}", "m": f"{date.month}", "d": f"{date.day}"}
    return re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], to)


def cells(table, rows):
    """The columns of the contract, as Python's own values: texts, microseconds, decimals, whole numbers."""
    columns = {name: [row[name] for row in rows] for name in COLUMNS[table]}
    if "spend" in columns:
        columns["spend"] = [decimal.Decimal(value) for value in columns["spend"]]
    if table != "identities":
        columns["content"] = ["hello"] * len(rows)
    return columns


def as_uuid(digits):
    return mapped(digits, lambda digits: uuid.UUID(int=int(digits)))
