"""ctwa beside what its users would write instead: one DuckDB query and one Polars script, on the same files, in one session.

    cargo build --release
    python -m venv target/bench && target/bench/bin/pip install -r benches/requirements.txt
    target/bench/bin/python benches/compare.py [--days 97] [--messages 300000] [--events 120000] [--times 3]

Writes the world of world.py below target/bench-world once, holds the three answers against each other, and prints seconds of wall
clock and processor and the peak of memory, the best of several times. Needs Linux.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benches"


def measured(command, times=1, before=None):
    """Seconds of wall clock, of processor, and MB of memory at the peak: of the fastest run."""
    best = None
    for _ in range(times):
        if before:
            before()
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{command} failed with {child.returncode}\n{said.decode()}")
        run = (wall, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)
        best = min(best or run, run)
    return best


def same_counts(world, answers):
    """The three answers are equal on every day that ctwa has built; the other two know days that are not whole yet."""
    db = duckdb.connect()
    db.execute(
        f"""CREATE TABLE ours AS SELECT bot_id, ad_id, date, conversations, coalesce(conversions, 0) AS conversions
        FROM '{world}/out/ad_days/*/*.parquet' WHERE conversations > 0 OR conversions > 0"""
    )
    for name, answer in answers.items():
        names = "names = ['bot_id', 'ad_id', 'date', 'conversations', 'conversions'], types = {'ad_id': 'VARCHAR'}"
        theirs = f"read_csv('{answer}', header = true, {names})"
        found = db.execute(
            f"""SELECT count(*), count(*) FILTER (o.conversations IS DISTINCT FROM t.conversations
                OR o.conversions IS DISTINCT FROM coalesce(t.conversions, 0)) FROM ours o FULL JOIN
                (SELECT * FROM {theirs} WHERE date <= (SELECT max(date) FROM ours)) t USING (bot_id, ad_id, date)"""
        ).fetchall()[0]
        if found[1] or not found[0]:
            sys.exit(f"{name} counts otherwise in {found[1]} of {found[0]} rows")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=97)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    ctwa = str(ROOT / "target/release/ctwa")
    world = ROOT / f"target/bench-world/{asked.days}x{asked.messages}x{asked.events}"
    if not (world / "complete").exists():
        # One day more, which lands later.
        sizes = ["--days", str(asked.days + 1), "--messages", str(asked.messages), "--events", str(asked.events)]
        subprocess.run([sys.executable, HERE / "world.py", world, *sizes], check=True)
        (world / "complete").touch()
    last = duckdb.connect().execute(f"SELECT (DATE '2026-01-01' + {asked.days})::VARCHAR").fetchall()[0][0]
    pipeline = str(world / "pipeline.toml")

    def land(is_there):
        for table in ["messages", "events", "insights"]:
            inside, aside = world / "lake" / table / f"date={last}", world / "later" / table
            source, target = (aside, inside) if is_there else (inside, aside)
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)

    def fresh():
        land(False)
        shutil.rmtree(world / "out", ignore_errors=True)

    def one_night_ago():
        fresh()
        subprocess.run([ctwa, "run", pipeline], check=True, capture_output=True)
        land(True)

    land(False)
    answers = {name: world / f"{name}.csv" for name in ["duckdb", "polars"]}
    yardsticks = {
        name: measured([sys.executable, str(HERE / f"yardstick_{name}.py"), str(world), str(answer)], asked.times)
        for name, answer in answers.items()
    }
    rows = [("the DuckDB query", yardsticks["duckdb"]), ("the Polars script", yardsticks["polars"])]
    rows.append(("ctwa, first build", measured([ctwa, "run", pipeline], asked.times, fresh)))
    same_counts(world, answers)
    rows.append(("ctwa, nothing to do", measured([ctwa, "run", pipeline], asked.times)))
    rows.append(("ctwa, the next night", measured([ctwa, "run", pipeline], asked.times, one_night_ago)))
    land(False)

    cpu = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {cpu}, {platform.system()} {platform.release()}")
    print(f"{asked.days} days x {asked.messages} messages and {asked.events} events, the best of {asked.times}")
    print(f"{'':24}{'wall s':>8}{'cpu s':>8}{'MB':>8}{'of DuckDB':>11}")
    for name, (wall, processor, memory) in rows:
        print(f"{name:24}{wall:8.2f}{processor:8.2f}{memory:8}{wall / yardsticks['duckdb'][0]:11.2f}")


if __name__ == "__main__":
    main()
