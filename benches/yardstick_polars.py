"""The counts as one Polars script over the raw lake: what a data engineer would write instead of ctwa.

    python benches/yardstick_polars.py FOLDER OUT.csv

As yardstick_duckdb.py. Needs the package polars.
"""

import sys
import time

import polars as pl

folder, out = sys.argv[1:]
ZONES = {
    "shop-br@msging.net": "America/Sao_Paulo",
    "shop-mx@msging.net": "America/Mexico_City",
    "shop-us@msging.net": "America/New_York",
    "shop-pt@msging.net": "Europe/Lisbon",
    "shop-in@msging.net": "Asia/Kolkata",
}
began = time.perf_counter()
key = ["bot_id", "contact_id"]
touches = (
    pl.scan_parquet(f"{folder}/lake/messages/*/*.parquet")
    .filter(pl.col("ad_id").is_not_null() & (pl.col("direction") == "received"))
    .group_by("bot_id", "contact_id", "message_id", "ad_id")
    .agg(pl.col("sent_at").min().alias("at"))
    .with_columns(kind=pl.lit(0, pl.Int8))
)
events = (
    pl.scan_parquet(f"{folder}/lake/events/*/*.parquet")
    .filter(pl.col("category") == "purchase")
    .select(*key, at=pl.col("occurred_at"), kind=pl.lit(1, pl.Int8))
)
timeline = (
    pl.concat([touches, events], how="diagonal")
    .sort(*key, "at", "kind", "message_id")
    .with_columns(session=(pl.col("kind") == 0).cum_sum())
)
sessions = (
    timeline.group_by(*key, "session")
    .agg(
        opened_at=pl.col("at").filter(pl.col("kind") == 0).min(),
        ad_id=pl.col("ad_id").max(),
        converted_at=pl.col("at").filter(pl.col("kind") == 1).min(),
    )
    .filter(pl.col("opened_at").is_not_null())
)


def days(rows, at, name):
    zoned = [
        rows.filter(pl.col("bot_id") == bot).with_columns(
            day=pl.col(at).dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
        )
        for bot, zone in ZONES.items()
    ]
    return pl.concat(zoned).group_by("bot_id", "ad_id", "day").agg(pl.len().cast(pl.Int64).alias(name))


converted = sessions.filter(pl.col("converted_at") - pl.col("opened_at") <= pl.duration(days=90))
facts = pl.concat(
    [days(sessions, "opened_at", "conversations"), days(converted, "converted_at", "conversions")], how="diagonal"
)
facts = facts.group_by("bot_id", "ad_id", "day").agg(pl.col("conversations").sum(), pl.col("conversions").sum())
facts.sort("bot_id", "ad_id", "day").collect(engine="streaming").write_csv(out)
print(f"{time.perf_counter() - began:.2f}")
