"""Lakes of world.py that are measured, with a night kept aside: made once, below target/bench-world."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from timing import HERE, ROOT, note

WORLDS = ROOT / "target/bench-world"
TABLES = ["messages", "events", "insights"]


def date(day):
    return duckdb.execute(f"SELECT (DATE '2026-01-01' + {day})::VARCHAR").fetchall()[0][0]


def generate(folder, days, first_day=0, jobs=os.cpu_count(), **sizes):
    """Writes days of a world, several at a time."""
    flags = [str(part) for name, value in sizes.items() for part in ([f"--{name}"] if value is True else [f"--{name}", value])]
    # The last share takes what does not divide.
    jobs = max(1, min(jobs, days // 4))
    starts = [first_day + days * job // jobs for job in range(jobs)] + [first_day + days]
    running = [
        subprocess.Popen([sys.executable, HERE / "world.py", folder, "--first-day", str(a), "--days", str(b - a), *flags])
        for a, b in zip(starts, starts[1:])
    ]
    if any(child.wait() for child in running):
        sys.exit(f"the world in {folder} could not be made")


class World:
    """`days` landed days; the next night lies aside, and perhaps another of the same date."""

    def __init__(self, name, days, first_day=0):
        self.folder = WORLDS / name
        self.days = days
        self.last = date(first_day + days)
        self.landed = None

    @property
    def pipeline(self):
        return self.folder / "pipeline.toml"

    def make(self, **sizes):
        """The landed days, and the next one aside."""
        if not (self.folder / "complete").exists():
            note(f"making {self.folder.relative_to(ROOT)}")
            generate(self.folder, self.days + 1, **sizes)
            (self.folder / "complete").touch()
        self.take_back()
        return self

    def make_other_night(self, name, **sizes):
        """Another next night, as if it had come instead."""
        aside, made = self.folder / name, self.folder / f"{name}-made"
        if not aside.exists():
            note(f"making {aside.relative_to(ROOT)}")
            shutil.rmtree(made, ignore_errors=True)
            generate(made, 1, first_day=self.days, **sizes)
            for table in TABLES:
                (made / "lake" / table / f"date={self.last}").rename(made / table)
            made.rename(aside)

    def latest(self, name, days):
        """A world of the last days and the next night alone, of the same files."""
        self.take_back()
        part = World(name, days)
        part.last = self.last
        shutil.rmtree(part.folder, ignore_errors=True)
        for table in TABLES:
            for folder in sorted((self.folder / "lake" / table).iterdir())[-days:]:
                shutil.copytree(folder, part.folder / "lake" / table / folder.name, copy_function=os.link)
            shutil.copytree(self.folder / "later" / table, part.folder / "later" / table, copy_function=os.link)
        shutil.copy(self.pipeline, part.pipeline)
        return part

    def move(self, night, is_there):
        for table in TABLES:
            inside, aside = self.folder / "lake" / table / f"date={self.last}", self.folder / night / table
            source, target = (aside, inside) if is_there else (inside, aside)
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)

    def land(self, night="later"):
        self.move(night, True)
        (self.folder / "landed").write_text(night)
        # What earlier runs left to be flushed to the disk is not the night's to wait for.
        os.sync()

    def take_back(self):
        """A run that was stopped may have left a night landed: which one is written down."""
        landed = self.folder / "landed"
        self.move(landed.read_text() if landed.exists() else "later", False)
        landed.unlink(missing_ok=True)

    def fresh(self):
        """Nothing built, and the night aside."""
        self.take_back()
        for name in ["out", "kept", "discarded"]:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        os.sync()

    def keep(self):
        """What is built now, for `as_kept`."""
        self.link("out", "kept")

    def as_kept(self):
        """Built as it was when it was kept, and the night aside; links have the versions of what they link to. What was there is not
        deleted yet: a file system that has just deleted thousands of files is slow to make new ones for minutes, and slower the longer
        the history was."""
        self.take_back()
        discarded = self.folder / "discarded"
        discarded.mkdir(exist_ok=True)
        (self.folder / "out").rename(discarded / str(time.time_ns()))
        self.link("kept", "out")

    def link(self, source, target):
        shutil.copytree(self.folder / source, self.folder / target, copy_function=os.link)

    def warm(self):
        """Every file into the page cache."""
        for path in self.folder.rglob("*.parquet"):
            with open(path, "rb") as file:
                while file.read(1 << 22):
                    pass
