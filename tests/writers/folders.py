"""How files lie: layouts of loaders and engines, what is no data, what is damaged, formats of tables that are none of Parquet's."""

import base64
import datetime
import gzip
import json
import os
import shutil

import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption

from arrow import arrow, parquet, plain
from lay import LAKES, TABLES, lake

TIMED = ("messages", "events")


def layout(name, to, tables=TABLES, write=plain):
    LAKES[f"layout-{name}"] = lambda lake: lake.every(write, tables, to)


layout("dt", "dt={date}/part-0.parquet")
layout("ingest-date", "ingest_date={date}/part-0.parquet")
layout("year-month-day", "year={yyyy}/month={mm}/day={dd}/part-0.parquet")
layout("year-month-day-bare", "year={yyyy}/month={m}/day={d}/part-0.parquet")
layout("year-month-day-only-padded-day", "year={yyyy}/month={m}/day={dd}/part-0.parquet")
layout("plain-slashes", "{yyyy}/{mm}/{dd}/part-0.parquet")
layout("yyyymmdd", "{yyyymmdd}/part-0.parquet")
layout("date", "{date}/part-0.parquet")
layout("file-a-day", "{date}.parquet")
layout("file-a-day-named", "export_{yyyymmdd}_v1.parquet")
layout("upper-case", "DATE={date}/PART-0.PARQUET")
layout("url-encoded", "date%3D{date}/part-0.parquet")
layout("url-encoded-time", "date={date}%2000%3A00%3A00/part-0.parquet")
layout("time-behind", "date={date} 00:00:00/part-0.parquet")
layout("hour-below", "date={date}/hour=07/minute=30/part-0.parquet")
layout("text-around", "raw/v1/day-{date}-utc/part-0.parquet")
layout("deep", "date={date}/a/b/c/d/e/f/part-0.parquet")
layout("blanks-and-accents", "date={date}/relatório de março/part 0.parquet")
layout("airbyte", "date={date}/2026_09_09_1757376000000_0.parquet")
layout("firehose", "{yyyy}/{mm}/{dd}/05/stream-1-2026-09-09-05-00-00-8f3c7a1e-0000-4a4a-9d9d-000000000000.parquet")
layout("firehose-no-ending", "{yyyy}/{mm}/{dd}/05/stream-1-2026-09-09-05-00-00-8f3c7a1e-0000-4a4a-9d9d-000000000000")
layout("firehose-prefix", "year={yyyy}/month={mm}/day={dd}/hour=05/stream-1-2026-09-09.snappy.parquet")
layout("athena", "dt={date}/20260909_010203_00012_abcde_5c1f7c2e-0000-4444-8888-000000000000")
layout("athena-bucketed", "date={date}/20260909_010203_00012_abcde_bucket-00000")
layout("hive", "date={date}/000000_0")
layout("hive-delta-like", "date={date}/base_0000001/bucket_00000")
layout("impala", "date={date}/f84e1b5a7c2d0e3f-9a8b7c6d00000000_1234567890_data.0.parq")
for ending in ("parquet", "PARQUET", "parq", "pq", "snappy.parquet", "parquet.snappy", "gz.parquet", "parquet.gz", "zst.parquet", "parquet.zst"):
    layout(f"ending-{ending.replace('.', '-')}" + ("-upper" if ending.isupper() else ""), f"date={{date}}/part-0.{ending}")


def by_bot(lake, folders):
    """Every day in files of one bot each, whose folders alone say which."""
    for table in TIMED:
        lake.clear(table)
        for day in lake.days:
            for bot in ("7001", "7002"):
                rows = [row for row in lake.rows(table, day) if row["bot_id"] == bot]
                parts = [folder.format(day=day, bot=bot) for folder in folders]
                parquet(drop=("bot_id",))(lake.path(table, *parts, "part-0.parquet"), table, rows)


@lake("layout-bot-below")
def _(lake):
    by_bot(lake, ["date={day}", "bot_id={bot}"])


@lake("layout-bot-above")
def _(lake):
    by_bot(lake, ["bot_id={bot}", "date={day}"])


@lake("layout-direction-key-encoded")
def _(lake):
    # A hive key that needs decoding: the category.
    lake.clear("events")
    for day in lake.days:
        for category in ("purchase", "lead"):
            rows = [row for row in lake.rows("events", day) if row["category"] == category]
            folder = "category=" + "".join(f"%{ord(letter):02X}" for letter in category)
            parquet(drop=("category",))(lake.path("events", f"date={day}", folder, "part-0.parquet"), "events", rows)


@lake("layout-half-in-sub-folder")
def _(lake):
    for table in TABLES:
        rows = lake.rows(table, lake.odd)
        lake.clear(table, f"date={lake.odd}")
        lake.add(f"{table}/date={lake.odd}/part-0.parquet", plain, table, rows[::2])
        lake.add(f"{table}/date={lake.odd}/hour=12/part-0.parquet", plain, table, rows[1::2])


@lake("layout-half-without-ending")
def _(lake):
    for table in TABLES:
        rows = lake.rows(table, lake.odd)
        lake.clear(table, f"date={lake.odd}")
        lake.add(f"{table}/date={lake.odd}/000000_0", plain, table, rows[::2])
        lake.add(f"{table}/date={lake.odd}/part-1.parquet", plain, table, rows[1::2])


def newest(to):
    def lay(lake):
        day = lake.days[-1]
        for table in TABLES:
            lake.clear(table, f"date={day}")
            plain(lake.path(table, to.format(day=day)), table, lake.rows(table, day))
    return lay


LAKES["layout-newest-hourly"] = newest("date={day}/hour=00/part-0.parquet")
LAKES["layout-newest-dt"] = newest("dt={day}/part-0.parquet")

# ----------------------------------------------------------------------------------------------------- what is no data


def put(lake, path, content=b""):
    with open(lake.path(path), "wb") as file:
        file.write(content)


def beside(name, *files, day=True):
    """Files that lie beside a day's, some of them Parquet."""

    def lay(lake):
        for table in TABLES:
            folder = f"{table}/date={lake.odd}" if day else table
            whole = open(lake.path(table, f"date={lake.days[0]}", "part-0.parquet"), "rb").read()
            for file in files:
                put(lake, f"{folder}/{file}", whole if "parquet" in file and not file.endswith(".crc") else b"x")

    LAKES[f"beside-{name}"] = lay


beside("success", "_SUCCESS", "_started_123", "_committed_123", "._SUCCESS.crc")
beside("crc", ".part-0.parquet.crc", "part-0.parquet.crc")
beside("temporary", "_temporary/0/task_1/part-0.parquet", "_spark_metadata/0", ".spark-staging-1/part-0.parquet")
beside("tmp", "part-1.parquet.tmp", "part-2.parquet.inprogress", "part-3.parquet.bak", "part-4.parquet~", ".part-5.parquet.swp")
beside("impala-staging", "_impala_insert_staging/a/b.parquet")
beside("folder-objects", "_$folder$", "hour=07_$folder$", "README.md", "notes.txt", "Thumbs.db", ".DS_Store", "manifest.json")
beside("top", "_SUCCESS", "_metadata", "_common_metadata", "README.md", "_delta_log_copy/x", day=False)
beside("csv", "part-1.csv")
beside("orc-and-avro", "part-1.orc", "part-2.avro")


def spoilt(name, spoil, table="messages"):
    """A day's file as `spoil` makes it of its bytes."""

    def lay(lake):
        path = lake.path(table, f"date={lake.odd}", "part-0.parquet")
        whole = open(path, "rb").read()
        os.remove(path)
        with open(path, "wb") as file:
            file.write(spoil(whole))

    LAKES[f"spoilt-{name}"] = lay


def flipped(place):
    return lambda whole: whole[:place(whole)] + bytes([whole[place(whole)] ^ 0x55]) + whole[place(whole) + 1:]


spoilt("cut-short", lambda whole: whole[:len(whole) // 2])
spoilt("no-byte", lambda whole: b"")
spoilt("zeros", lambda whole: bytes(len(whole)))
spoilt("csv-named-parquet", lambda whole: b"bot_id,message_id\n7001,1\n")
spoilt("json-named-parquet", lambda whole: b'{"bot_id": "7001"}\n')
spoilt("gzipped-whole", gzip.compress)
spoilt("footer-flipped", flipped(lambda whole: len(whole) - 30))
spoilt("doubled", lambda whole: whole + whole[:100])
spoilt("insights-cut-short", lambda whole: whole[:len(whole) // 2], "insights")
spoilt("events-no-byte", lambda whole: b"", "events")


@lake("spoilt-page-with-checksum")
def _(lake):
    for table in ("messages",):
        # Without statistics, so that the first place is in the page.
        options = {"write_page_checksum": True, "compression": "none", "use_dictionary": False, "write_statistics": False}
        path = lake.path(table, f"date={lake.odd}", "part-0.parquet")
        lake.day(table, parquet(**options))
        whole = open(path, "rb").read()
        # A digit of an ad's id within its page: another ad.
        place = whole.index(b"120226305854810726") + 17
        with open(path, "wb") as file:
            file.write(whole[:place] + b"9" + whole[place + 1:])


LAKES["spoilt-aliases"] = lambda lake: put_anew(lake, "identities/part-0.parquet", b"PAR1 no more")


def put_anew(lake, path, content):
    os.remove(lake.path(path))
    put(lake, path, content)


@lake("spoilt-csv-only")
def _(lake):
    lake.clear("messages", f"date={lake.odd}")
    put(lake, f"messages/date={lake.odd}/part-0.csv", b"bot_id\n7001\n")


class Keys(encryption.KmsClient):
    """Wraps keys in nothing: who may read them does not matter here."""

    def __init__(self, _):
        encryption.KmsClient.__init__(self)

    def wrap_key(self, key, _):
        return base64.b64encode(key)

    def unwrap_key(self, wrapped, _):
        return base64.b64decode(wrapped)


def encrypted(plaintext_footer):
    def write(path, table, rows):
        made = arrow(table, rows)
        settings = encryption.EncryptionConfiguration(footer_key="footer", column_keys={"columns": made.column_names},
                                                      plaintext_footer=plaintext_footer)
        factory = encryption.CryptoFactory(lambda config: Keys(config))
        how = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
        with pq.ParquetWriter(path, made.schema, encryption_properties=how) as writer:
            writer.write_table(made)

    return write


LAKES["encrypted"] = lambda lake: lake.day("messages", encrypted(False))
LAKES["encrypted-plain-footer"] = lambda lake: lake.day("messages", encrypted(True))

# ----------------------------------------------------------------------------------------------------- formats of tables


@lake("format-hudi")
def _(lake):
    put(lake, "messages/.hoodie/hoodie.properties", b"hoodie.table.name=messages\nhoodie.table.type=COPY_ON_WRITE\n")
    put(lake, "messages/.hoodie/20260909010101.commit", b"{}")
    for n in range(2):
        plain(lake.path("messages", f"date={lake.odd}", f"f1-0_0-{n}-{n}_2026090901010{n}.parquet"), "messages", lake.rows("messages", lake.odd))


@lake("format-iceberg")
def _(lake):
    put(lake, "messages/metadata/00001-6b1a.metadata.json", json.dumps({"format-version": 2}).encode())
    put(lake, "messages/metadata/snap-1.avro", b"Obj\x01")
    for day in lake.days:
        plain(lake.path("messages", "data", f"date={day}", "00000-0-1.parquet"), "messages", lake.rows("messages", day))
        lake.clear("messages", f"date={day}")


@lake("format-iceberg-aliases")
def _(lake):
    put(lake, "identities/metadata/v1.metadata.json", b"{}")


@lake("format-hudi-insights")
def _(lake):
    put(lake, "insights/.hoodie/hoodie.properties", b"hoodie.table.name=insights\n")


# ---------------------------------------------------------------------------------------------------------------- days


@lake("days-hole")
def _(lake):
    lake.clear("events", f"date={lake.odd}")


@lake("days-marker")
def _(lake):
    for table in TIMED:
        for day in lake.days:
            put(lake, f"{table}/date={day}/_SUCCESS")


@lake("days-marker-of-an-empty-day")
def _(lake):
    for table in TIMED:
        for day in lake.days:
            put(lake, f"{table}/date={day}/_SUCCESS")
        after = (datetime.date.fromisoformat(lake.days[-1]) + datetime.timedelta(1)).isoformat()
        shutil.copytree(lake.path(table, f"date={lake.days[0]}"), lake.path(table, f"date={after}"))
        os.remove(lake.path(table, f"date={after}", "_SUCCESS"))
