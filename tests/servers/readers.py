"""Reads a published table again and again while it is written, as its users would: with DuckDB, Polars, pyarrow or ClickHouse.

The first argument is JSON:
  engine   duckdb | polars | pyarrow | clickhouse
  table    where the table lies: a folder, or s3://bucket/folder
  states   two folders in which the same table lies at rest: a day must be read as it is in one of the two, whole
  s3       endpoint, access_key, secret_key, region; null for a folder

Prints "ready". Then prints "0" or "1" after each read that found the whole table in that state. For each line of its input it prints
JSON about the reads since the last one: reads; days, how often a day was seen in each state; wrong, days that are neither; errors.
When its input ends it is gone.
"""

import json
import os
import queue
import sys
import threading
from collections import defaultdict


def duckdb_reader(s3):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set autoinstall_known_extensions = false")
    if s3:
        import duckdb_extension_httpfs
        from pathlib import Path

        [extension] = Path(duckdb_extension_httpfs.__file__).parent.glob(f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension")
        connection.execute(f"load '{extension}'")
        connection.execute(
            f"create secret (type s3, key_id '{s3['access_key']}', secret '{s3['secret_key']}', region '{s3['region']}', "
            f"endpoint '{s3['endpoint'].removeprefix('http://')}', use_ssl false, url_style 'path')"
        )

    def read(table):
        result = connection.execute(f"select * exclude (dt) from read_parquet('{table}/*/*.parquet', hive_partitioning = true)")
        return [column[0] for column in result.description], result.fetchall()

    return read


def polars_reader(s3):
    import polars

    options = s3 and {
        "aws_access_key_id": s3["access_key"],
        "aws_secret_access_key": s3["secret_key"],
        "aws_region": s3["region"],
        "aws_endpoint_url": s3["endpoint"],
        "aws_allow_http": "true",
    }

    def read(table):
        of_s3 = options if table.startswith("s3://") else None
        frame = polars.scan_parquet(f"{table}/*/*.parquet", hive_partitioning=True, storage_options=of_s3).drop("dt").collect()
        return frame.columns, frame.rows()

    return read


def pyarrow_reader(s3):
    import pyarrow.dataset
    import pyarrow.fs

    store = s3 and pyarrow.fs.S3FileSystem(
        access_key=s3["access_key"],
        secret_key=s3["secret_key"],
        region=s3["region"],
        endpoint_override=s3["endpoint"],
        allow_bucket_creation=False,
    )

    def read(table):
        of_s3 = store if table.startswith("s3://") else None
        rows = pyarrow.dataset.dataset(table.removeprefix("s3://"), filesystem=of_s3, partitioning="hive").to_table().drop(["dt"])
        return rows.column_names, list(zip(*(column.to_pylist() for column in rows.columns)))

    return read


def clickhouse_reader(s3):
    import chdb

    def read(table):
        if table.startswith("s3://"):
            url = f"{s3['endpoint']}/{table.removeprefix('s3://')}/*/*.parquet"
            source = f"s3('{url}', '{s3['access_key']}', '{s3['secret_key']}', 'Parquet')"
        else:
            source = f"file('{table}/*/*.parquet', 'Parquet')"
        result = json.loads(str(chdb.query(f"select * except dt from {source} settings use_hive_partitioning = 1", "JSONCompact")))
        return [column["name"] for column in result["meta"]], result["data"]

    return read


def days(found):
    """The rows of each day, in no order."""
    columns, rows = found
    date = columns.index("date")
    by_day = defaultdict(list)
    for row in rows:
        by_day[str(row[date])].append(repr(tuple(row)))
    return {day: tuple(sorted(rows)) for day, rows in by_day.items()}


class Count:
    def __init__(self):
        self.reads, self.days, self.wrong, self.errors = 0, [0, 0], [], []

    def add(self, found, states):
        self.reads += 1
        for day in sorted(states[0].keys() | found.keys()):
            of_states = [state.get(day) for state in states]
            for state in (0, 1):
                self.days[state] += found.get(day) == of_states[state]
            if found.get(day) not in of_states:
                self.wrong.append({"day": day, "found": found.get(day), "states": of_states})


def main():
    job = json.loads(sys.argv[1])
    read = globals()[job["engine"] + "_reader"](job["s3"])
    states = [days(read(state)) for state in job["states"]]
    questions = queue.SimpleQueue()

    def listen():
        for line in sys.stdin:
            questions.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    count = Count()
    while True:
        try:
            found = days(read(job["table"]))
            count.add(found, states)
            if found in states:
                print(states.index(found), flush=True)
        # A panic of Polars is no Exception.
        except BaseException as error:
            count.errors.append(f"{type(error).__name__}: {error}"[:1000])
        if not questions.empty():
            questions.get()
            print(json.dumps(vars(count)), flush=True)
            count = Count()


main()
