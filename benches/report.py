"""`ctwa report` over a year of many ads, from local disk, beside one DuckDB query that adds up the same files.

    cargo build --release
    python -m venv target/bench && target/bench/bin/pip install -r benches/requirements.txt
    target/bench/bin/python benches/report.py [--days 365] [--ads 5000] [--times 5] [--ctwa target/release/ctwa]

Writes an output folder of published tables below target/bench-report once, seeded, as a run would have left it; holds the rows of
`--format json` against the DuckDB query, every amount and ratio to the last decimal; and prints seconds of wall clock and
processor and the peak of memory of each form of the report, the best of several times. Needs the package duckdb, and Linux.

The world: 5 bots, the last two of which share two of the 5 accounts. Of a hundred ads 2 are posts (no account), 1 was never
clicked, 10 are clicked in a second bot; an ad has no row on one day in twelve. A bot's first setting comes a month late, and an
account's figures are missing on some days.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
FIRST = "2025-01-01"

# hash() of a key and a salt is what is random here: the same in every run. `d` is the day, `k` the ad, `b` the bot (none: 5).
TABLES = """
CREATE TABLE bot AS SELECT b, ['shop-br', 'shop-es', 'shop-in', 'shop-mx', 'shop-us'][b + 1] || '@msging.net' AS bot_id FROM range(5) r(b);

CREATE TABLE ad AS SELECT k, '1202263058' || lpad((hash(k) % 10000000000)::VARCHAR, 8, '0') || lpad(k::VARCHAR, 5, '0') AS ad_id,
    k % 5 AS home, k % 50 = 7 AS is_post, k % 100 = 3 AS never_clicked,
    CASE WHEN k % 50 <> 7 THEN 'act_70010020030040' || (k % 5 + 1)::VARCHAR END AS account_id,
    CASE WHEN k % 50 <> 7 THEN CASE WHEN k % 5 < 3 THEN 'BRL' ELSE 'USD' END END AS currency
FROM range({ads}) r(k);

-- The (bot, ad)s with rows: at home, a tenth in another bot too; what nobody ever clicked in a shared account has no bot.
CREATE TABLE pair AS
    SELECT k, CASE WHEN never_clicked AND home > 2 THEN NULL ELSE home END AS b, true AS bears FROM ad
    UNION ALL SELECT k, (home + 1) % 5, false FROM ad WHERE k % 10 = 1;

CREATE TABLE ad_days AS
WITH drawn AS (
    SELECT d, k, b, bears, DATE '{first}' + d::INTEGER AS date, hash(d * 100000 + k, coalesce(b, 5)) AS h FROM range({days}) r(d), pair
),
counted AS (
    SELECT drawn.*, ad.*,
        CASE WHEN never_clicked THEN 0 ELSE (h % 7 * (h // 7 % 5))::BIGINT END AS conversations,
        -- The last bot's first setting comes a month late.
        CASE WHEN b = 4 AND d < 30 THEN NULL WHEN never_clicked THEN 0 ELSE greatest((h // 41 % 6)::BIGINT - 3, 0) END AS conversions,
        bears AND NOT is_post AND NOT (home = 1 AND d % 97 = 50) AS has_figures
    FROM drawn JOIN ad USING (k) WHERE h // 1000 % 12 <> 0
)
SELECT d, k, b, h, date, bot_id, ad_id, account_id, currency, conversations, conversions,
    CASE WHEN has_figures THEN (h // 3 % 500000 / 100)::DECIMAL(18, 6) END AS spend,
    CASE WHEN has_figures THEN (h // 5 % 20000)::BIGINT END AS impressions,
    CASE WHEN has_figures THEN (h // 5 % 20000 * 4 // 5)::BIGINT END AS reach,
    CASE WHEN has_figures THEN (h // 11 % 400)::BIGINT END AS clicks,
    CASE WHEN has_figures THEN (h // 11 % 300)::BIGINT END AS inline_link_clicks,
    CASE WHEN has_figures THEN (h // 13 % 30)::BIGINT END AS meta_conversations,
    d < {days} - 1 AS complete
FROM counted LEFT JOIN bot USING (b);

CREATE TABLE ad_conversions AS
SELECT d, date, bot_id, ad_id, (date - (h // 17 % 20)::INTEGER)::DATE AS conversation_date, 'purchase' AS category, conversions
FROM ad_days WHERE conversions > 0;

CREATE TABLE bot_days AS
SELECT d, date, bot_id, sum(conversations)::BIGINT AS touches, 0::BIGINT AS duplicate_touches, 0::BIGINT AS unattributed_touches,
    sum(conversions)::BIGINT AS conversion_events, sum(conversions)::BIGINT AS conversions,
    CASE WHEN sum(conversions) IS NOT NULL THEN 0::BIGINT END AS unattributed_conversions,
    CASE WHEN sum(conversions) IS NOT NULL THEN 0::BIGINT END AS organic_conversion_events,
    CASE WHEN sum(conversions) IS NOT NULL THEN 0::BIGINT END AS events_without_contact,
    0::BIGINT AS rejected_rows, bool_and(complete) AS complete,
    CASE WHEN b = 1 AND d % 97 = 50 THEN 'missing' WHEN d < {days} - 28 THEN 'final' ELSE 'provisional' END AS insights_status
FROM ad_days WHERE b IS NOT NULL GROUP BY ALL;

CREATE TABLE ads AS
SELECT bot_id, ad_id, CASE WHEN NOT never_clicked THEN CASE WHEN is_post THEN 'post' ELSE 'ad' END END AS ad_type,
    CASE WHEN NOT never_clicked THEN 'Frete grátis em toda a coleção ' || (hash(k, 3) % 200)::VARCHAR END AS ad_title,
    CASE WHEN NOT never_clicked THEN to_timestamp(1735700000 + k * 60 + b) END AS first_conversation_at,
    CASE WHEN NOT never_clicked THEN to_timestamp(1767200000 + k * 60 + b) END AS last_conversation_at,
    account_id, currency, 'ad ' || k AS ad_name, 'set ' || k // 10 AS adset_id, 'set' AS adset_name, 'c ' || k // 50 AS campaign_id,
    'campaign' AS campaign_name
FROM pair JOIN ad USING (k) LEFT JOIN bot USING (b);

CREATE TABLE reach AS
SELECT account_id, ad_id, DATE '{first}' AS since, (DATE '{first}' + {days} - 1)::DATE AS until, (sum(reach) // 3)::BIGINT AS reach,
    sum(impressions)::BIGINT AS impressions, 3::DECIMAL(18, 6) AS frequency
FROM ad_days WHERE account_id = 'act_700100200300401' GROUP BY ALL;
"""

# Of an ad clicked in some bot, its stored days; a day without a row adds 0 to every sum. Ratios are over the days on which both
# operands are known, 6 decimals, half up.
YARDSTICK = """
WITH clicked AS (SELECT DISTINCT ad_id FROM '{out}/ads/ads.parquet' WHERE first_conversation_at IS NOT NULL),
title AS (SELECT bot_id, ad_id, ad_title FROM '{out}/ads/ads.parquet'),
summed AS (
    SELECT bot_id, ad_id, sum(spend) AS spend, sum(conversations) AS conversations, sum(conversions) AS conversions,
        sum(conversations) FILTER (spend IS NOT NULL) AS with_spend,
        sum(conversations) FILTER (conversions IS NOT NULL) AS when_configured,
        sum(spend) FILTER (conversions IS NOT NULL) AS spend_when_configured,
        sum(conversions) FILTER (spend IS NOT NULL) AS conversions_with_spend
    FROM '{out}/ad_days/*/ad_days.parquet' SEMI JOIN clicked USING (ad_id) GROUP BY ALL
),
exact AS (SELECT *, (spend * 1000000)::HUGEINT AS s, (spend_when_configured * 1000000)::HUGEINT AS sc FROM summed)
SELECT exact.bot_id, exact.ad_id, ad_title, spend::VARCHAR AS spend, conversations::BIGINT AS conversations, conversions::BIGINT AS conversions,
    CASE WHEN with_spend > 0 THEN (2 * s + with_spend) // (2 * with_spend) END::VARCHAR AS cost_per_conversation,
    CASE WHEN conversions_with_spend > 0 THEN (2 * sc + conversions_with_spend) // (2 * conversions_with_spend) END::VARCHAR
        AS cost_per_conversion,
    CASE WHEN when_configured > 0 THEN (2000000 * conversions + when_configured) // (2 * when_configured) END::VARCHAR
        AS conversion_rate
FROM exact LEFT JOIN title ON title.bot_id IS NOT DISTINCT FROM exact.bot_id AND title.ad_id = exact.ad_id
"""


def write_world(folder, days, ads):
    db = duckdb.connect()
    db.execute(TABLES.format(first=FIRST, days=days, ads=ads))
    # As our own writer does it.
    form = "(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v1, ROW_GROUP_SIZE 1048576, DICTIONARY_SIZE_LIMIT 1000000)"

    def write(table, query, date=None):
        path = folder / "out" / table / (f"dt={date}" if date else "")
        path.mkdir(parents=True, exist_ok=True)
        db.execute(f"COPY ({query}) TO '{path}/{table}.parquet' {form}")

    columns = {
        "ad_days": "date, bot_id, ad_id, account_id, currency, conversations, conversions, spend, impressions, reach, clicks, "
        "inline_link_clicks, meta_conversations, complete",
        "ad_conversions": "date, bot_id, ad_id, conversation_date, category, conversions",
        "bot_days": "* EXCLUDE d",
    }
    for day in range(days):
        date = db.execute(f"SELECT (DATE '{FIRST}' + {day})::VARCHAR").fetchall()[0][0]
        for table, names in columns.items():
            key = "bot_id NULLS FIRST" + ("" if table == "bot_days" else ", ad_id")
            write(table, f"SELECT {names} FROM {table} WHERE d = {day} ORDER BY {key}", date)
    write("ads", "SELECT * FROM ads ORDER BY bot_id NULLS FIRST, ad_id")
    write("reach", "SELECT * FROM reach ORDER BY ALL", date)
    bots = "".join(
        f'\n[[bots]]\nid = "{bot_id}"\ntimezone = "UTC"\nad_accounts = {json.dumps(accounts)}\n'
        f'[[bots.conversion_events]]\ncategory = "purchase"\neffective_at = "{FIRST}T00:00:00Z"\n'
        for bot_id, accounts in [
            (bot_id, [f"act_70010020030040{account}" for account in ([b + 1] if b < 3 else [4, 5])])
            for b, bot_id in db.execute("SELECT b, bot_id FROM bot ORDER BY b").fetchall()
        ]
    )
    (folder / "lake").mkdir(exist_ok=True)
    (folder / "pipeline.toml").write_text(f'name = "report"\n\n[lake]\nurl = "lake"\n\n[output]\nurl = "out"\n{bots}')
    (folder / "complete").touch()


# A child starts with its parent's peak of memory: the parent that waits for it is a bare interpreter.
MEASURE = """
import os, subprocess, sys, time
began = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
said = child.stderr.read()
_, status, used = os.wait4(child.pid, 0)
wall = time.perf_counter() - began
child.returncode = os.waitstatus_to_exitcode(status)
if child.returncode != 0:
    sys.exit(f"{sys.argv[1:]} failed with {child.returncode}: {said.decode()}")
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def measured(command, times):
    """Seconds of wall clock, of processor, and MB of memory at the peak: of the fastest run."""

    def once():
        told = subprocess.run([sys.executable, "-S", "-c", MEASURE, *command], check=True, stdout=subprocess.PIPE, text=True)
        return tuple(float(number) for number in told.stdout.split())

    return min(once() for _ in range(times))


def held_against(world, report):
    """The report's rows and the query's are the same; returns what they add up to."""
    rows = json.loads(subprocess.run(report, check=True, capture_output=True).stdout)
    query = duckdb.connect().execute(YARDSTICK.format(out=world / "out"))
    names = [column[0] for column in query.description]
    amounts = ["cost_per_conversation", "cost_per_conversion", "conversion_rate"]
    theirs = {}
    for row in query.fetchall():
        row = dict(zip(names, row))
        for name in amounts:
            if row[name] is not None:
                row[name] = f"{int(row[name]) // 1000000}.{int(row[name]) % 1000000:06}"
        theirs[row["bot_id"], row["ad_id"]] = row
    ours = {(row["bot_id"], row["ad_id"]): {name: row[name] for name in names} for row in rows}
    if not ours or len(ours) != len(rows) or ours != theirs:
        wrong = [(ours.get(key), theirs.get(key)) for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        sys.exit(f"{len(wrong)} of {len(theirs)} rows differ: {wrong[:3]}")

    def total(name):
        return sum(int((row[name] or "0").replace(".", "")) if name == "spend" else row[name] or 0 for row in ours.values())

    return len(ours), total("conversations"), total("conversions"), total("spend")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--ads", type=int, default=5000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--ctwa", type=Path, default=ROOT / "target/release/ctwa")
    parser.add_argument("--yardstick", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.yardstick:
        duckdb.connect().execute(YARDSTICK.format(out=asked.yardstick)).fetchall()
        return
    world = ROOT / f"target/bench-report/{asked.days}x{asked.ads}"
    if not (world / "complete").exists():
        world.mkdir(parents=True, exist_ok=True)
        write_world(world, asked.days, asked.ads)
    last = duckdb.connect().execute(f"SELECT (DATE '{FIRST}' + {asked.days - 1})::VARCHAR").fetchall()[0][0]
    report = [str(asked.ctwa), "report", str(world / "pipeline.toml"), "--from", FIRST, "--to", last, "--quiet"]
    counts = held_against(world, [*report, "--format", "json"])
    yardstick = [sys.executable, __file__, "--yardstick", str(world / "out")]

    forms = [[], ["--format", "csv"], ["--format", "json"], ["--format", "parquet"], ["--by", "conversation-day"], ["--all-ads"]]
    forms += [["--bot", "shop-br@msging.net"], ["--reconcile"], ["--grain", "day", "--format", "csv"], ["--format", "html"]]
    cpu = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {cpu}, {platform.system()} {platform.release()}")
    rows = duckdb.connect().execute(f"SELECT count(*) FROM '{world}/out/ad_days/*/ad_days.parquet'").fetchall()[0][0]
    print(f"{asked.days} days x {asked.ads} ads, {rows} rows of ad_days, the best of {asked.times}")
    print("the same as the query: {} rows, {} conversations, {} conversions, spend in millionths {}".format(*counts))
    print(f"{'':34}{'wall s':>8}{'cpu s':>8}{'MB':>8}")

    def show(name, times):
        wall, processor, memory = times
        print(f"{name:34}{wall:8.2f}{processor:8.2f}{memory:8.0f}", flush=True)

    for form in forms:
        show(" ".join(form) or "the text, without flags", measured([*report, *form], asked.times))
    show("the DuckDB query, with its start", measured(yardstick, asked.times))


if __name__ == "__main__":
    main()
