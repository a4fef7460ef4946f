"""What a night costs, beside what users would write instead (one DuckDB query, one Polars script) and beside the goals.

    cargo build --release
    python -m venv target/bench && target/bench/bin/pip install -r benches/requirements.txt
    target/bench/bin/python benches/compare.py [--only build,night,...] [--times 3] [--out benches/runs/DATE-compare.txt]

One session: everything is run in turns, several times, with the files in the page cache. Wall clock is of the fastest run, memory
the largest peak. The worlds of world.py are written below target/bench-world once (2 GB, and 4 GB for `history`); the three answers
are held against each other. Parts:

    build        the first build of all days, against the DuckDB query
    night        the next night, likewise
    idle         a run with nothing to do
    memory       the peak of the first build
    floor        what DuckDB takes for the ad-id column alone, and for the touches' columns
    large        memory of a night whose new day is ten times larger
    history      a night with 400 days of history beside one with 100
    report       benches/report.py
    attribution  benches/attribution.py

Needs Linux.
"""

import argparse
import statistics
import subprocess
import sys

import duckdb

from lakes import World
from timing import HERE, ROOT, Text, fastest, machine, note, peak, script, timed

PARTS = ["build", "night", "idle", "memory", "floor", "large", "history", "report", "attribution"]


def hold_against(world, answers):
    """The answers are equal on every day that ctwa has built; the others know days that are not whole yet."""
    db = duckdb.connect()
    db.execute(
        f"""CREATE TABLE ours AS SELECT bot_id, ad_id, date, conversations, coalesce(conversions, 0) AS conversions
        FROM '{world.folder}/out/ad_days/*/*.parquet' WHERE conversations > 0 OR conversions > 0"""
    )
    for answer in answers:
        names = "names = ['bot_id', 'ad_id', 'date', 'conversations', 'conversions'], types = {'ad_id': 'VARCHAR'}"
        theirs = f"read_csv('{answer}', header = true, {names})"
        rows, other, conversions = db.execute(
            f"""SELECT count(*), count(*) FILTER (o.conversations IS DISTINCT FROM t.conversations
                OR o.conversions IS DISTINCT FROM coalesce(t.conversions, 0)), sum(o.conversions) FROM ours o FULL JOIN
                (SELECT * FROM {theirs} WHERE date <= (SELECT max(date) FROM ours)) t USING (bot_id, ad_id, date)"""
        ).fetchall()[0]
        if other or not rows or not conversions:
            sys.exit(f"{answer.stem} counts otherwise in {other} of {rows} rows")
    return rows


def take_turns(asked, world, wanted):
    """Every run that the wanted parts need, by name, in turns."""
    runs = {}

    def run(name, command, needed=True):
        if needed:
            note(name)
            runs.setdefault(name, []).append(timed(command))

    ctwa = [asked.ctwa, "run", world.pipeline]
    answers = {name: world.folder / f"{name}.csv" for name in ["duckdb", "polars"]}
    compared = wanted & {"build", "night"}
    rows = 0
    for turn in range(asked.times):
        world.fresh()
        for name, answer in answers.items():
            run(name, script(f"yardstick_{name}.py", world.folder, answer), compared)
        for what in ["ids", "touches"]:
            run(what, script("yardstick_floor.py", world.folder, what), "floor" in wanted)
        run("first build", ctwa)
        if compared and turn == 0:
            rows = hold_against(world, answers.values())
        run("nothing to do", ctwa, "idle" in wanted)
        if wanted & {"night", "large"}:
            world.land()
            run("night", ctwa)
            if "night" in wanted and turn == 0:
                timed(script("yardstick_duckdb.py", world.folder, answers["duckdb"]))
                hold_against(world, [answers["duckdb"]])
        if "large" in wanted:
            world.fresh()
            timed(ctwa)
            world.land("large")
            run("large night", ctwa)
    world.fresh()
    return runs, rows


NAMES = {
    "duckdb": "the DuckDB query",
    "polars": "the Polars script",
    "ids": "DuckDB, counting the ad ids alone",
    "touches": "DuckDB, the touches' columns behind the filter",
    "first build": "ctwa, first build",
    "nothing to do": "ctwa, nothing to do",
    "night": "ctwa, the next night",
    "large night": "ctwa, the next night, ten times larger",
}


def best_of(asked):
    return f"the best of {asked.times}, the peak of all"


def against_yardsticks(text, asked, wanted):
    name = f"{asked.days}x{asked.messages}x{asked.events}"
    world = World(name, asked.days).make(messages=asked.messages, events=asked.events)
    if "large" in wanted:
        world.make_other_night("large", messages=10 * asked.messages, events=10 * asked.events, before=asked.messages)
    world.warm()
    runs, rows = take_turns(asked, world, wanted)
    yardstick = fastest(runs["duckdb"]).wall if "duckdb" in runs else None
    text.say("", f"{asked.days} days x {asked.messages} messages and {asked.events} events; {best_of(asked)}:")
    text.say(f"{'':48}{'wall s':>8}{'cpu s':>8}{'MB':>8}{'of DuckDB':>11}{'query s':>9}")
    for name, took in runs.items():
        best = fastest(took)
        share = f"{best.wall / yardstick:11.3f}" if yardstick else ""
        # Yardsticks print how long they took without Python's start.
        own = f"{float(best.printed):9.2f}" if not NAMES[name].startswith("ctwa") else ""
        text.say(f"{NAMES[name]:48}{best.wall:8.2f}{best.processor:8.2f}{peak(took):8.0f}{share or ' ' * 11}{own}")
    if rows:
        again = ", and after the night again" if "night" in wanted else ""
        text.say(f"the three answers are the same in all of {rows} rows of ad and day{again}")
    text.say("")
    if "build" in wanted:
        text.goal("first build, wall, of the DuckDB query's", fastest(runs["first build"]).wall / yardstick, 0.5)
    if "night" in wanted:
        text.goal("next night, wall, of the DuckDB query's", fastest(runs["night"]).wall / yardstick, 0.06)
    if "idle" in wanted:
        text.goal("run with nothing to do, wall", fastest(runs["nothing to do"]).wall, 0.3, " s")
    if "memory" in wanted:
        text.goal("first build, peak memory", peak(runs["first build"]), 700, " MB")
    if "floor" in wanted:
        built, ids = fastest(runs["first build"]), fastest(runs["ids"])
        text.say(f"floor: the ad ids alone take DuckDB {ids.wall:.2f} s, the touches' columns {fastest(runs['touches']).wall:.2f} s; "
                 f"the first build takes {built.wall / ids.wall:.1f} times the first")
    if "large" in wanted:
        larger = peak(runs["large night"]) / peak(runs["night"])
        text.goal("night with a day ten times larger, peak memory, of a night's", larger, 1.3)


def history(text, asked):
    """One night over all days that landed, and the same night where only the last hundred of them are there."""
    few, many = 100, asked.history_days
    name = f"history-{many}x{asked.history_messages}x{asked.history_events}"
    sizes = dict(messages=asked.history_messages, events=asked.history_events, bare=True)
    whole = World(name, many).make(**sizes)
    worlds = {days: world for days, world in [(few, whole.latest(f"{name}-latest", few)), (many, whole)]}
    whole.warm()
    nights = {days: [] for days in worlds}
    for days, world in worlds.items():
        world.fresh()
        note(f"{days} days of history")
        timed([asked.ctwa, "run", world.pipeline])
        world.keep()
    for turn in range(asked.nights):
        note(f"nights, turn {turn + 1}")
        for days, world in worlds.items():
            world.as_kept()
            world.land()
            nights[days].append(timed([asked.ctwa, "run", world.pipeline]))
    for world in worlds.values():
        world.fresh()
    text.say("", f"{asked.history_messages} messages and {asked.history_events} events a day; the same night again and again, in turns:")
    text.say(f"{'':48}{'wall s':>8}{'cpu s':>8}{'MB':>8}{'median s':>10}")
    for days, took in nights.items():
        best, middle = fastest(took), statistics.median(night.wall for night in took)
        what = f"ctwa, the next night, {days} days of history"
        text.say(f"{what:48}{best.wall:8.3f}{best.processor:8.2f}{peak(took):8.0f}{middle:10.3f}")
    text.say("")
    longer = fastest(nights[many]).wall / fastest(nights[few]).wall
    text.goal(f"night with {many} days of history, wall, of one with {few}", longer, 1.2)


def others(text, what, command):
    """What another benchmark prints."""
    text.say("", f"{what}:")
    note(what)
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    text.say(*ran.stdout.strip().splitlines())
    if ran.returncode:
        text.say(f"failed with {ran.returncode}", *ran.stderr.strip().splitlines()[-10:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", help="a file for the text")
    parser.add_argument("--ctwa", default=ROOT / "target/release/ctwa")
    parser.add_argument("--days", type=int, default=97)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--history-days", type=int, default=400)
    parser.add_argument("--nights", type=int, default=15, help="of each history")
    parser.add_argument("--history-messages", type=int, default=300_000)
    parser.add_argument("--history-events", type=int, default=120_000)
    asked = parser.parse_args()
    wanted = set(asked.only.split(","))
    if wanted - set(PARTS):
        parser.error(f"--only knows {', '.join(PARTS)}")
    text = Text()
    text.say(*machine(asked.ctwa))
    if wanted & {"build", "night", "idle", "memory", "floor", "large"}:
        against_yardsticks(text, asked, wanted)
    if "history" in wanted:
        history(text, asked)
    if "report" in wanted:
        others(text, "a report over 365 days x 5,000 ads", [sys.executable, HERE / "report.py"])
    if "attribution" in wanted:
        others(text, "attribution alone, over 20 million rows", [sys.executable, HERE / "attribution.py"])
    if text.goals:
        text.say("", "the goals:", *text.goals)
    text.write(asked.out)


if __name__ == "__main__":
    main()
