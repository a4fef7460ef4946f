"""Tables written by Spark: `spark.py ROWS FOLDER` makes FOLDER/NAME/TABLE of each lake that spark- is in the name of."""

import datetime
import decimal
import json
import os
import sys

from pyspark.sql import SparkSession, functions as f, types as t

TIME = {"messages": "sent_at", "events": "occurred_at"}
TABLES = ("messages", "events", "insights")
IDS = ("bot_id", "message_id", "contact_id", "ad_id", "event_id")
REFERRAL = {"ad_id": "#wa.referral.source_id", "ad_type": "#wa.referral.source_type", "ad_title": "#wa.referral.headline",
            "ctwa_clid": "#wa.referral.ctwa_clid"}


def session():
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "1",
                "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    builder = SparkSession.builder.master("local[2]").appName("lakes")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def kind(name):
    if name in TIME.values():
        return t.TimestampType()
    if name == "spend":
        return t.DecimalType(18, 6)
    counts = ("impressions", "reach", "clicks", "inline_link_clicks", "messaging_conversations_started")
    return t.LongType() if name in counts else t.StringType()


def value(name, of):
    if of is None:
        return None
    if name in TIME.values():
        return datetime.datetime.fromtimestamp(of / 1_000_000, datetime.timezone.utc)
    return decimal.Decimal(of) if name == "spend" else of


def main(rows, folder):
    with open(rows) as file:
        world = json.load(file)
    spark = session()

    def frame(table):
        names = list(world[table][0])
        cells = [tuple(value(name, row[name]) for name in names) for row in world[table]]
        made = spark.createDataFrame(cells, t.StructType([t.StructField(name, kind(name)) for name in names]))
        return (made.withColumnRenamed("partition", "date") if table in TABLES else made).coalesce(1).cache()

    frames = {table: frame(table) for table in (*TABLES, "identities")}

    def lake(name, tables=("messages", "events"), change=lambda frame, table: frame, by=("date",), settings={}, **options):
        for key, of in settings.items():
            spark.conf.set(key, of)
        for table in tables:
            writer = change(frames[table], table).write.options(**options)
            if table in TABLES:
                writer = writer.partitionBy(*by)
            writer.parquet(os.path.join(folder, f"spark-{name}", table))
        for key in settings:
            spark.conf.unset(key)

    def casting(kind, names):
        def change(frame, _):
            return frame.withColumns({name: f.col(name).cast(kind) for name in names if name in frame.columns})
        return change

    times = tuple(TIME.values())
    metadata = [item for name, key in REFERRAL.items() for item in (f.lit(key), f.col(name))]
    lake("plain", (*TABLES, "identities"))
    for codec in ("gzip", "zstd", "lz4_raw", "none"):
        lake(codec, compression=codec)
    lake("legacy-format", TABLES, settings={"spark.sql.parquet.writeLegacyFormat": "true"})
    for form in ("INT96", "TIMESTAMP_MILLIS", "TIMESTAMP_MICROS"):
        lake(form.lower().replace("_", "-"), settings={"spark.sql.parquet.outputTimestampType": form})
    lake("timestamp-ntz", change=casting("timestamp_ntz", times))
    lake("time-string", change=casting("string", times))
    lake("time-long", change=casting("long", times))
    lake("ids-long", change=casting("long", ("ad_id", "contact_id", "message_id")))
    lake("ids-decimal", change=casting("decimal(20,0)", ("ad_id", "contact_id", "message_id")))
    lake("ids-binary", change=casting("binary", IDS))
    lake("ids-double", ("messages",), change=casting("double", ("ad_id",)))
    lake("ids-double-string", ("messages",), change=lambda frame, _: frame.withColumn("ad_id", f.col("ad_id").cast("double").cast("string")))
    lake("bots-below", by=("date", "bot_id"))
    lake("many-files", change=lambda frame, _: frame.repartition(7))
    lake("page-v2", **{"parquet.writer.version": "PARQUET_2_0"})
    lake("bloom-filters", ("messages",), **{"parquet.bloom.filter.enabled": "true", "parquet.enable.dictionary": "false"})
    lake("map", ("messages",), change=lambda frame, _: frame.withColumn("metadata", f.create_map(*metadata)).drop(*REFERRAL))
    lake("struct", ("messages",), change=lambda frame, _: frame.withColumn(
        "metadata", f.struct(*(f.col(name).alias(key) for name, key in REFERRAL.items()))).drop(*REFERRAL))
    lake("pairs", ("messages",), change=lambda frame, _: frame.withColumn("metadata", f.map_entries(f.create_map(*metadata))).drop(*REFERRAL))
    lake("pairs-legacy", ("messages",), change=lambda frame, _: frame.withColumn("metadata", f.map_entries(f.create_map(*metadata))).drop(*REFERRAL),
         settings={"spark.sql.parquet.writeLegacyFormat": "true"})
    lake("json", ("messages",), change=lambda frame, _: frame.withColumn("metadata", f.to_json(f.create_map(*metadata))).drop(*REFERRAL))
    lake("variant", ("messages",), change=lambda frame, _: frame.withColumn("odd", f.parse_json(f.lit('{"a": 1}'))))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
