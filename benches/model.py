"""What ctwa costs at any size, from runs on small worlds: `docs/scale.md` is made of what this prints.

    cargo build --release
    target/bench/bin/python benches/model.py [--times 3] [--out FILE] [--doc docs/scale.md]

Worlds that differ in messages a day, share of touches and days are built once, then a night is added, then nothing is left to do;
every figure is fitted as a sum of a constant and of costs per million messages, per million touches and conversion events in the
horizon, and per day of history; of memory, only the rows that are held at once count. Requests are counted on the tests' S3 server, in
some of the worlds. Where compare.py has left its own worlds, what the model says of them is held against what they take, without being
fitted to them. Needs Linux, and numpy.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import scale
from bucket import Server, requests_of
from fit import Fit
from lakes import World
from timing import ROOT, Text, fastest, machine, note, peak, timed

HORIZON_DAYS = 97
KINDS = {"first": "first build", "night": "night", "idle": "idle"}
UNITS = ["constant", "million messages", "million touches and events", "day of history"]
# Name, and whether it is of the run's largest partition instead of all that it reads.
QUANTITIES = {"wall s": False, "cpu s": False, "peak MB": True, "lake MB": False, "read MB": False, "stored MB": False}
# Of touches and events, so many millions are in memory at once; of those beyond, two short hashes of 8 bytes each.
MILLIONS_AT_ONCE, MB_OF_A_MILLION_BEYOND = 2, 16
REQUESTS = {"reads": ["get", "head"], "writes and lists": ["put", "list", "delete"]}


@dataclass(frozen=True)
class Size:
    """Of a world. There are four events for ten messages; one in `one_in` messages is a touch, and as many events are conversion
    events."""

    days: int
    messages: int
    one_in: int = 25

    @property
    def events(self):
        return self.messages * 2 // 5

    @property
    def counted(self):
        """Millions of touches, with their copies, and conversion events of a day."""
        return (self.messages * 1.02 + self.events) / self.one_in / 1e6

    def units(self, kind, largest=False):
        """What a run has of each unit. A first build reads everything; a night nothing older than the horizon."""
        messages = {"first": self.messages if largest else self.messages * self.days, "night": self.messages, "idle": 0}[kind]
        near = {"first": self.days, "night": min(self.days + 1, HORIZON_DAYS), "idle": 0}[kind]
        rows = min(near * self.counted, MILLIONS_AT_ONCE) if largest else near * self.counted
        return [1, messages / 1e6, rows, self.days]

    def beyond_memory(self, kind):
        """Millions of touches and events that a run does not hold in memory at once."""
        return max(self.units(kind)[2] - MILLIONS_AT_ONCE, 0)

    def world(self):
        sizes = {"messages": self.messages, "events": self.events, "one-in": self.one_in}
        contacts = max(1_000, self.days * self.messages // 20)
        return World(f"model-{self.days}x{self.messages}in{self.one_in}", self.days).make(**sizes, contacts=contacts, bare=True)

    def __str__(self):
        return f"{self.days} days x {self.messages} messages, 1 in {self.one_in}"


SIZES = [
    Size(120, 20_000),
    Size(20, 300_000),
    Size(6, 1_000_000, 100),
    Size(60, 50_000, 5),
    Size(250, 10_000, 5),
    Size(97, 40_000, 10),
    Size(30, 2_000, 2),
]
# Small ones, as the server keeps all in memory and answers one request at a time.
COUNTED = [SIZES[2], SIZES[3], SIZES[6], Size(150, 2_000)]
# Those that compare.py makes.
CHECKS = {"97x300000x120000": Size(97, 300_000), "history-400x300000x120000": Size(400, 300_000)}


def took(ctwa, world, times):
    """Of each kind of run, each quantity."""
    runs = {kind: [] for kind in KINDS}
    stored = 0
    world.warm()
    for _ in range(times):
        world.fresh()
        for kind in ["first", "idle", "night"]:
            if kind == "night":
                world.land()
            runs[kind].append(timed([ctwa, "run", world.pipeline, "--json"]))
            if kind == "first":
                stored = sum(path.stat().st_size for path in (world.folder / "out").rglob("*") if path.is_file()) / 1e6
    world.fresh()
    found = {}
    for kind, all_of_them in runs.items():
        best = fastest(all_of_them)
        lake = json.loads(best.printed)["bytes_read"] / 1e6
        quantities = [best.wall, best.processor, peak(all_of_them), lake, best.read, stored if kind == "first" else 0]
        found[kind] = dict(zip(QUANTITIES, quantities))
    return found


def counted(ctwa):
    """Requests of each kind of run, in each of the worlds that are counted."""

    def run(pipeline, environment):
        requests = json.loads(timed([ctwa, "run", pipeline, "--json"], environment).printed)["requests"]
        return {name: sum(requests[one] for one in ones) for name, ones in REQUESTS.items()}

    found = {}
    with Server() as server:
        for size in COUNTED:
            note(f"requests of {size}")
            found[size] = requests_of(server, size.world(), run)
    return found


def fit(measured, requests):
    """By kind and quantity."""
    fits = {}
    for kind in KINDS:
        for name, largest in QUANTITIES.items():
            rows = [size.units(kind, largest) for size in measured]
            fits[kind, name] = Fit(UNITS, rows, [found[kind][name] for found in measured.values()])
        for name in REQUESTS:
            # They follow objects, not rows: touches are no unit of theirs.
            rows = [[*size.units(kind)[:2], 0, size.days] for size in requests]
            fits[kind, name] = Fit(UNITS, rows, [found[kind][name] for found in requests.values()])
    return fits


def predicted(fits, kind, name, size):
    guess = fits[kind, name].of(size.units(kind, QUANTITIES.get(name, False)))
    return guess + (MB_OF_A_MILLION_BEYOND * size.beyond_memory(kind) if name == "peak MB" else 0)


def beyond(kind, size):
    """How many times more of some unit a run has than any that was fitted."""
    most = [max(units) for units in zip(*(known.units(kind) for known in SIZES))]
    return max(has / known for has, known in zip(size.units(kind), most) if known)


def residuals(fits, measured, names):
    rows = []
    for size, found in measured.items():
        for kind in KINDS:
            cells = []
            for name in names:
                value, guess = found[kind][name], predicted(fits, kind, name, size)
                cells.append(f"{scale.number(value)} ({(guess / value - 1) * 100:+.0f} %)" if value else "0")
            rows.append([str(size), KINDS[kind], *cells])
    return scale.table(["world", "run", *names], rows)


def coefficients(fits):
    rows = [
        [KINDS[kind], name, *(scale.number(cost) for cost in fit.costs)] for (kind, name), fit in fits.items() if fit.costs.any()
    ]
    return scale.table(["run", "of", *(unit if unit == "constant" else f"per {unit}" for unit in UNITS)], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", help="a file for the text")
    parser.add_argument("--doc", help="a page whose part between the markers is written anew")
    parser.add_argument("--ctwa", default=ROOT / "target/release/ctwa")
    asked = parser.parse_args()
    text = Text()
    text.say(*(f"{line}  " for line in machine(asked.ctwa)))
    worlds = {size: size.world() for size in SIZES}
    measured = {}
    for size, world in worlds.items():
        note(str(size))
        measured[size] = took(asked.ctwa, world, asked.times)
    requests = counted(asked.ctwa)
    fits = fit(measured, requests)

    text.say("", "### What was measured, and how far the model is from it", "")
    text.say(f"The best of {asked.times}, the peak of all; in brackets what the model says of it.", "")
    text.say(*residuals(fits, measured, [name for name in QUANTITIES if name != "stored MB"]), "")
    text.say(*residuals(fits, requests, REQUESTS))
    checks = {size: World(name, size.days) for name, size in CHECKS.items()}
    larger = {size: took(asked.ctwa, world, 1) for size, world in checks.items() if (world.folder / "complete").exists()}
    if larger:
        text.say("", "Larger worlds, run once, that were not fitted:", "")
        text.say(*residuals(fits, larger, [name for name in QUANTITIES if name != "stored MB"]))
    else:
        text.say("", "Not held against a larger world: compare.py has made none here.")
    text.say("", "### Coefficients", "", *coefficients(fits))
    text.say(*scale.predictions(lambda kind, name, size: predicted(fits, kind, name, size), Size, beyond))
    text.write(asked.out)
    if asked.doc:
        scale.write_between_markers(Path(asked.doc), text.lines)


if __name__ == "__main__":
    main()
