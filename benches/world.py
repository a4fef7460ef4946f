"""The world that the comparison runs on: a lake of messages, events and insights, seeded, as large as asked for.

    python benches/world.py FOLDER [--days 97] [--messages 300000] [--events 120000] [--first-day 0] [--contacts 1500000]
        [--one-in 25] [--before MESSAGES] [--bare]

Writes FOLDER/lake and FOLDER/pipeline.toml. Of a day's messages one in 25 (--one-in) is a touch, every fiftieth of them delivered
again the day after; of its events one in 25 is of a category that some setting names. Two files a day, row groups of 256 k rows,
zstd; ids are long texts as WhatsApp's, and `body` is a column that nobody needs (--bare leaves it empty, which halves the files).
A day is at most a million messages; one that comes last may be larger, when --before says how many the day before it had. Needs
the package duckdb.
"""

import argparse
from pathlib import Path

import duckdb

BOTS = [
    ("shop-br@msging.net", "America/Sao_Paulo"),
    ("shop-mx@msging.net", "America/Mexico_City"),
    ("shop-us@msging.net", "America/New_York"),
    ("shop-pt@msging.net", "Europe/Lisbon"),
    ("shop-in@msging.net", "Asia/Kolkata"),
]
FIRST = "2026-01-01"
ADS = 1500

# hash() of a key and a salt is what is random here: the same in every run.
MESSAGES = """
    WITH numbered AS (SELECT day, i, day * 1000000 + i AS n FROM range({messages}) r(i), (SELECT {day} AS day)),
    drawn AS (SELECT *, hash(n, 1) % {contacts} AS contact, (hash(n, 2) % 86400)::BIGINT AS second, i % {one_in} = 0 AS is_touch
        FROM numbered
        -- Deliveries of the day before that come again.
        UNION ALL SELECT day, i, (day - 1) * 1000000 + i, hash((day - 1) * 1000000 + i, 1) % {contacts},
            (hash((day - 1) * 1000000 + i, 2) % 86400)::BIGINT - 86400, true FROM numbered
            WHERE i % (50 * {one_in}) = 0 AND i < {before} AND day > 0)
    SELECT bot.id AS bot_id,
        'wamid.HBgNNTUxMTk' || md5(n::VARCHAR) AS message_id,
        '55119' || lpad(contact::VARCHAR, 8, '0') || '@wa.gw.msging.net' AS contact_id,
        (TIMESTAMP '{first}' + to_days({day}) + to_seconds(second::BIGINT))::TIMESTAMP AS sent_at,
        CASE WHEN is_touch OR i % 2 = 0 THEN 'received' ELSE 'sent' END AS direction,
        -- An ad belongs to one bot.
        CASE WHEN is_touch THEN '1202263058' || lpad((hash(n, 3) % {ads_of_bot} * 5 + contact % 5)::VARCHAR, 8, '0') END AS ad_id,
        CASE WHEN is_touch THEN 'ad' END AS ad_type,
        CASE WHEN is_touch THEN 'Frete grátis em toda a coleção ' || (hash(n, 3) % 20)::VARCHAR END AS ad_title,
        CASE WHEN is_touch THEN 'Aff-n8ZT' || md5((n * 7)::VARCHAR) END AS ctwa_clid,
        {body} AS body
    FROM drawn JOIN bot ON bot.k = contact % 5
"""

BODY = "'Bom dia! ' || md5((n * 3)::VARCHAR) || ' ' || md5((n * 5)::VARCHAR)"

EVENTS = """
    WITH drawn AS (SELECT {day} * 1000000 + i AS n, i FROM range({events}) r(i)),
    placed AS (SELECT n, i, hash(n, 11) % {contacts} AS contact, hash(n, 12) % 86400 AS second FROM drawn)
    SELECT bot.id AS bot_id,
        '55119' || lpad(contact::VARCHAR, 8, '0') || '@wa.gw.msging.net' AS contact_id,
        CASE WHEN i % {one_in} = 0 THEN 'purchase' ELSE 'flow ' || (hash(n, 13) % 40)::VARCHAR END AS category,
        'step ' || (hash(n, 14) % 100)::VARCHAR AS action,
        (TIMESTAMP '{first}' + to_days({day}) + to_seconds(second::BIGINT))::TIMESTAMP AS occurred_at
    FROM placed JOIN bot ON bot.k = contact % 5
"""

INSIGHTS = """
    SELECT 'act_' || (ad % 5 + 1)::VARCHAR AS account_id, '1202263058' || lpad(ad::VARCHAR, 8, '0') AS ad_id, 'BRL' AS currency,
        (hash(ad * 1000 + {day}, 21) % 100000 / 100)::DECIMAL(18, 6) AS spend, (hash(ad, {day}) % 10000)::BIGINT AS impressions
    FROM range({ads}) r(ad)
"""


def pipeline(name):
    bots = "".join(
        f'\n[[bots]]\nid = "{bot}"\ntimezone = "{zone}"\nad_accounts = ["act_{k + 1}"]\n'
        f'[[bots.conversion_events]]\ncategory = "purchase"\neffective_at = "2025-01-01T00:00:00Z"\n'
        for k, (bot, zone) in enumerate(BOTS)
    )
    return f'name = "{name}"\n\n[lake]\nurl = "lake"\n\n[insights]\nsource = "landed"\n\n[output]\nurl = "out"\n{bots}'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=97)
    parser.add_argument("--first-day", type=int, default=0)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--contacts", type=int, default=1_500_000)
    parser.add_argument("--one-in", type=int, default=25)
    parser.add_argument("--before", type=int)
    parser.add_argument("--bare", action="store_true")
    asked = parser.parse_args()
    if max(asked.messages, asked.events) > 1_000_000 and not (asked.days == 1 and asked.before):
        parser.error("a day holds at most a million")
    asked.folder.mkdir(parents=True, exist_ok=True)
    (asked.folder / "pipeline.toml").write_text(pipeline("comparison"))
    db = duckdb.connect()
    db.execute("CREATE TABLE bot (k INTEGER, id VARCHAR)")
    db.executemany("INSERT INTO bot VALUES (?, ?)", [(k, bot) for k, (bot, _) in enumerate(BOTS)])
    for day in range(asked.first_day, asked.first_day + asked.days):
        date = db.execute(f"SELECT (DATE '{FIRST}' + {day})::VARCHAR").fetchall()[0][0]
        sizes = dict(
            day=day, first=FIRST, messages=asked.messages, events=asked.events, contacts=asked.contacts, ads=ADS, ads_of_bot=ADS // 5,
            one_in=asked.one_in, before=asked.before or asked.messages, body="NULL::VARCHAR" if asked.bare else BODY,
        )
        for table, query, halves in [("messages", MESSAGES, 2), ("events", EVENTS, 2), ("insights", INSIGHTS, 1)]:
            folder = asked.folder / "lake" / table / f"date={date}"
            folder.mkdir(parents=True, exist_ok=True)
            db.execute("CREATE OR REPLACE TEMP TABLE rows AS SELECT row_number() OVER () AS r, * FROM (" + query.format(**sizes) + ")")
            for half in range(halves):
                db.execute(
                    f"COPY (SELECT * EXCLUDE r FROM rows WHERE r % {halves} = {half} ORDER BY r) TO '{folder}/part-{half}.parquet' "
                    "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 262144)"
                )


if __name__ == "__main__":
    main()
