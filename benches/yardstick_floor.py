"""The floor under any first build, with DuckDB: the time to read what no one can do without.

    python benches/yardstick_floor.py FOLDER ids|touches

`ids` counts the ad ids and finds the largest, which decodes that column of every partition and no other; `touches` reads the columns
of a touch where there is an ad id. Prints seconds. Needs the package duckdb.
"""

import sys
import time

import duckdb

folder, what = sys.argv[1:]
MESSAGES = f"'{folder}/lake/messages/*/*.parquet'"
QUERIES = {
    "ids": f"SELECT count(ad_id), max(ad_id) FROM {MESSAGES}",
    # The lengths: so that no column is left undecoded.
    "touches": f"""SELECT count(*), sum(strlen(bot_id) + strlen(contact_id) + strlen(message_id) + strlen(ad_id) + strlen(ad_type)
        + strlen(ad_title)), max(sent_at) FROM {MESSAGES} WHERE ad_id IS NOT NULL AND direction = 'received'""",
}
began = time.perf_counter()
found = duckdb.execute(QUERIES[what]).fetchall()[0]
assert found[0] > 0, "no touches there"
print(f"{time.perf_counter() - began:.2f}")
