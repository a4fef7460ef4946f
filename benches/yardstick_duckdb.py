"""The counts as one DuckDB query over the raw lake: what a data engineer would write instead of ctwa.

    python benches/yardstick_duckdb.py FOLDER OUT.csv

Prints seconds; OUT.csv gets bot, ad, local day, conversations, conversions. Copies are dropped by message id alone, as the world
holds none further apart than a day. Needs the package duckdb.
"""

import sys
import time

import duckdb

folder, out = sys.argv[1:]
QUERY = f"""
WITH zone(bot_id, zone) AS (VALUES ('shop-br@msging.net', 'America/Sao_Paulo'), ('shop-mx@msging.net', 'America/Mexico_City'),
    ('shop-us@msging.net', 'America/New_York'), ('shop-pt@msging.net', 'Europe/Lisbon'), ('shop-in@msging.net', 'Asia/Kolkata')),
touches AS (SELECT bot_id, contact_id, message_id, ad_id, min(sent_at) AS moment FROM '{folder}/lake/messages/*/*.parquet'
    WHERE ad_id IS NOT NULL AND direction = 'received' GROUP BY ALL),
events AS (SELECT bot_id, contact_id, occurred_at AS moment FROM '{folder}/lake/events/*/*.parquet' WHERE category = 'purchase'),
timeline AS (SELECT bot_id, contact_id, moment, 0 AS kind, message_id, ad_id FROM touches
    UNION ALL SELECT bot_id, contact_id, moment, 1, NULL, NULL FROM events),
numbered AS (SELECT *, sum(CASE WHEN kind = 0 THEN 1 ELSE 0 END) OVER (PARTITION BY bot_id, contact_id ORDER BY moment, kind, message_id
    ROWS UNBOUNDED PRECEDING) AS session FROM timeline),
sessions AS (SELECT bot_id, contact_id, session, min(moment) FILTER (kind = 0) AS opened_at, max(ad_id) AS ad_id,
    min(moment) FILTER (kind = 1) AS converted_at FROM numbered WHERE session > 0 GROUP BY ALL),
facts AS (SELECT bot_id, ad_id, opened_at AS moment, 1 AS conversations, 0 AS conversions FROM sessions
    UNION ALL SELECT bot_id, ad_id, converted_at, 0, 1 FROM sessions WHERE converted_at <= opened_at + INTERVAL 90 DAY)
SELECT bot_id, ad_id, (moment AT TIME ZONE 'UTC' AT TIME ZONE zone)::DATE AS day, sum(conversations)::BIGINT, sum(conversions)::BIGINT
FROM facts JOIN zone USING (bot_id) GROUP BY ALL ORDER BY ALL
"""
began = time.perf_counter()
db = duckdb.connect()
db.execute(f"COPY ({QUERY}) TO '{out}' (HEADER)")
print(f"{time.perf_counter() - began:.2f}")
