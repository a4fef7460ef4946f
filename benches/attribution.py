"""Attribution alone: every day of a lake of 20 million touches and conversion events built again from the working tables, beside the
fastest form known of the same counts in Polars, an equi-join of touches and events.

    target/bench/bin/python benches/attribution.py [--days 120] [--touches 41800] [--events 125800] [--times 2]

Writes its lake below target/bench-world once: every message is a touch, every event a conversion event, of 20 bots and 2 million
contacts of which few write much. `ctwa run` reads it once, which is not measured; `ctwa backfill` of all days then reads no raw
partition. The counts of the two are held against each other. Needs Linux, and the packages of requirements.txt.
"""

import argparse
import shutil
import sys
from pathlib import Path

import duckdb

from timing import ROOT, Text, fastest, machine, note, peak, script, timed

FIRST = "2026-01-01"
BOTS = [f"bot{k:02}@msging.net" for k in range(20)]
# hash() of a key and a salt is what is random here. The square of a uniform number gives few contacts many rows.
CONTACT = "(pow(hash(n, {salt}) / 18446744073709551616.0, 2) * 2000000)::BIGINT"
TOUCHES = f"""
    SELECT 'bot' || lpad((c % 20)::VARCHAR, 2, '0') || '@msging.net' AS bot_id, 'wamid.' || lpad(n::VARCHAR, 12, '0') AS message_id,
        '55119' || lpad(c::VARCHAR, 10, '0') || '@wa.x' AS contact_id, {{at}} AS sent_at, 'received' AS direction,
        '12022630' || lpad((c % 20 + 20 * (hash(n, 3) % 300))::VARCHAR, 6, '0') AS ad_id, 'ad' AS ad_type, NULL::VARCHAR AS ad_title
    FROM (SELECT n, {CONTACT.format(salt=1)} AS c FROM range({{first}}, {{last}}) r(n))
"""
EVENTS = f"""
    SELECT 'bot' || lpad((c % 20)::VARCHAR, 2, '0') || '@msging.net' AS bot_id,
        '55119' || lpad(c::VARCHAR, 10, '0') || '@wa.x' AS contact_id, 'purchase' AS category, {{at}} AS occurred_at
    FROM (SELECT n, {CONTACT.format(salt=2)} AS c FROM range({{first}}, {{last}}) r(n))
"""
AT = "(TIMESTAMP '{first}' + to_days({day}) + to_microseconds((hash(n, {salt}) % 86400000000)::BIGINT))::TIMESTAMP"


def make(folder, asked):
    if (folder / "complete").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    bots = "".join(
        f'\n[[bots]]\nid = "{bot}"\ntimezone = "UTC"\n[[bots.conversion_events]]\ncategory = "purchase"\n'
        'effective_at = "2025-01-01T00:00:00Z"\n'
        for bot in BOTS
    )
    db = duckdb.connect()
    for day in range(asked.days):
        note(f"day {day + 1} of {asked.days}")
        date = db.execute(f"SELECT (DATE '{FIRST}' + {day})::VARCHAR").fetchall()[0][0]
        for table, query, rows, salt in [("messages", TOUCHES, asked.touches, 5), ("events", EVENTS, asked.events, 6)]:
            target = folder / "lake" / table / f"date={date}"
            target.mkdir(parents=True)
            query = query.format(at=AT.format(first=FIRST, day=day, salt=salt), first=day * rows, last=(day + 1) * rows)
            db.execute(f"COPY ({query}) TO '{target}/part.parquet' (FORMAT parquet, COMPRESSION zstd)")
    (folder / "pipeline.toml").write_text(f'name = "attribution"\n\n[lake]\nurl = "lake"\n\n[output]\nurl = "out"\n{bots}')
    (folder / "complete").touch()


def hold_against(folder, answer):
    rows, other, conversions = duckdb.connect().execute(
        f"""SELECT count(*), count(*) FILTER (o.conversions IS DISTINCT FROM t.conversions), sum(o.conversions) FROM
            (SELECT bot_id, ad_id, date, conversions FROM '{folder}/out/ad_days/*/*.parquet' WHERE conversions > 0) o
            FULL JOIN (SELECT * FROM '{answer}') t USING (bot_id, ad_id, date)"""
    ).fetchall()[0]
    if other or not conversions:
        sys.exit(f"the counts differ in {other} of {rows} rows")
    return rows, conversions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--touches", type=int, default=41_800)
    parser.add_argument("--events", type=int, default=125_800)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--ctwa", default=ROOT / "target/release/ctwa")
    asked = parser.parse_args()
    folder = ROOT / f"target/bench-world/attribution-{asked.days}x{asked.touches}x{asked.events}"
    make(folder, asked)
    text, answer = Text(), folder / "polars.parquet"
    text.say(*machine(asked.ctwa))
    pipeline = folder / "pipeline.toml"
    shutil.rmtree(folder / "out", ignore_errors=True)
    first = timed([asked.ctwa, "run", pipeline])
    last = duckdb.connect().execute(f"SELECT (DATE '{FIRST}' + {asked.days - 1})::VARCHAR").fetchall()[0][0]
    runs = {"ctwa, all days again": [], "Polars, an equi-join and two groupings": []}
    for _ in range(asked.times):
        runs["ctwa, all days again"].append(timed([asked.ctwa, "backfill", pipeline, "--from", FIRST, "--to", last]))
        runs["Polars, an equi-join and two groupings"].append(timed(script("yardstick_join.py", folder, answer)))
    rows, conversions = hold_against(folder, answer)
    touches, events = asked.days * asked.touches, asked.days * asked.events
    text.say("", f"{touches} touches and {events} conversion events over {asked.days} days, {conversions} conversions; the best of")
    text.say(f"{asked.times}, the peak of all; the same in all of {rows} rows of ad and day:")
    text.say(f"{'':48}{'wall s':>8}{'cpu s':>8}{'MB':>8}")
    text.say(f"{'ctwa, the first build, with its reading':48}{first.wall:8.2f}{first.processor:8.2f}{first.memory:8.0f}")
    for name, took in runs.items():
        best = fastest(took)
        text.say(f"{name:48}{best.wall:8.2f}{best.processor:8.2f}{peak(took):8.0f}")
    text.say("")
    ours, theirs = runs.values()
    text.goal("attribution, peak memory", peak(ours), 1_000, " MB")
    text.goal("attribution, wall, of the equi-join's", fastest(ours).wall / fastest(theirs).wall, 1)


if __name__ == "__main__":
    main()
