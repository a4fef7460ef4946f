"""Conversions as an equi-join of touches and events with two groupings, in Polars' streaming engine: the fastest form known while no
contact has many of both.

    python benches/yardstick_join.py FOLDER OUT.parquet

Reads the lake of attribution.py: no copies, UTC days, every row counts. Needs the package polars.
"""

import sys
from datetime import timedelta

import polars as pl

folder, out = sys.argv[1:]
touches = pl.scan_parquet(f"{folder}/lake/messages/*/*.parquet").select(
    "bot_id", "contact_id", "ad_id", "message_id", opened_at="sent_at"
)
events = pl.scan_parquet(f"{folder}/lake/events/*/*.parquet").select("bot_id", "contact_id", "occurred_at")
# The touch an event falls to is the last one before it; of a touch's events the first one counts.
of_events = (
    events.join(touches, on=["bot_id", "contact_id"])
    .filter(pl.col("opened_at") <= pl.col("occurred_at"))
    .group_by("bot_id", "contact_id", "occurred_at")
    .agg(pl.struct("opened_at", "message_id", "ad_id").max_by(pl.col("opened_at")).alias("touch"))
    .unnest("touch")
)
conversions = (
    of_events.group_by("bot_id", "message_id")
    .agg(pl.col("occurred_at").min(), pl.col("opened_at").first(), pl.col("ad_id").first())
    .filter(pl.col("occurred_at") - pl.col("opened_at") <= timedelta(days=90))
    .group_by("bot_id", "ad_id", pl.col("occurred_at").dt.date().alias("date"))
    .agg(pl.len().cast(pl.Int64).alias("conversions"))
)
conversions.collect(engine="streaming").write_parquet(out)
