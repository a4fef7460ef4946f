"""What compare.py and model.py measure with: commands that are timed, the machine, and the text that says what was found."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benches"


@dataclass
class Took:
    """Seconds and MB of one run, and what it printed."""

    wall: float
    processor: float
    memory: float
    read: float
    printed: str


def timed(command, environment=None):
    """Runs a command, which must end well."""
    command = [shutil.which(str(command[0])), *map(str, command[1:])]
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        watched = [sys.executable, "-I", "-S", str(HERE / "timed.py"), out.name, *command]
        ran = subprocess.run(watched, capture_output=True, text=True, env={**os.environ, **(environment or {})})
        took = json.loads(Path(out.name).read_text() or '{"code": "nothing"}')
    if ran.returncode or took.pop("code") != 0:
        sys.exit(f"{' '.join(command)} failed\n{ran.stderr}")
    return Took(**took, printed=ran.stdout)


def script(name, *arguments):
    """The command that runs a script of this folder."""
    return [sys.executable, HERE / name, *arguments]


def fastest(runs):
    return min(runs, key=lambda took: took.wall)


def peak(runs):
    """The largest of several peaks, in MB."""
    return max(took.memory for took in runs)


def answer(*command):
    """What a command prints, in one line."""
    return " ".join(subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.split())


def machine(ctwa):
    """Date, machine, versions and load, as lines."""
    if not Path(ctwa).exists():
        sys.exit(f"there is no {ctwa}: `cargo build --release` makes it")
    cpu = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    changed = answer("git", "status", "--porcelain", "src", "Cargo.lock")
    commit = answer("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
    return [
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, {cpu}, {memory:.0f} GiB, Linux {platform.release()}",
        f"{answer(ctwa, '--version')} (commit {commit}), {answer('rustc', '--version')}, "
        f"duckdb {duckdb.__version__}, polars {polars.__version__}",
        "load average at the start: " + " ".join(f"{load:.2f}" for load in os.getloadavg()),
    ]


class Text:
    """What is printed, kept so that it can be written to a file as well. Goals are said where they are measured, and once more at the
    end."""

    def __init__(self):
        self.lines = []
        self.goals = []

    def say(self, *lines):
        for line in lines:
            self.lines.append(line.rstrip())
            print(line.rstrip(), flush=True)

    def goal(self, what, found, most, unit=""):
        verdict = "met" if found <= most else "not met"
        self.goals.append(f"{what:64}{found:8.3g}{unit:3}  goal <= {most:g}{unit:3}  {verdict}")
        self.say(self.goals[-1])

    def write(self, path):
        if path:
            Path(path).write_text("\n".join(self.lines) + "\n")


def note(what):
    """Says on a terminal what is being done now."""
    print(f"... {what}", file=sys.stderr, flush=True)
