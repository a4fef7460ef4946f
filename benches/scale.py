"""From the model to what a size costs: the tables of docs/scale.md, and the assumptions about money in them."""

import sys

BEGIN, END = "<!-- model: begin -->", "<!-- model: end -->"
MILLIONS_A_DAY = [1, 10, 100, 1000]
FIRST_DAYS, HISTORY_DAYS, NIGHTS_A_MONTH = 97, 365, 30
# Of the clouds that are in general use, as orders of magnitude, in November 2026; no vendor's price list.
ASSUMED_ON = "November 2026"
DOLLARS_AN_HOUR, GB_AT_THAT_PRICE = 0.1, 8
DOLLARS_A_GB_MONTH = 0.02
DOLLARS_A_THOUSAND = {"reads": 0.0004, "writes and lists": 0.005}
# What a machine can be had with, and how long a run may take: in MB and seconds.
LIMITS = [
    ("a night's memory passes 64 GB", "night", "peak MB", 64e3),
    ("a night's memory passes 512 GB", "night", "peak MB", 512e3),
    ("the first build's memory passes 64 GB", "first", "peak MB", 64e3),
    ("the first build's memory passes 512 GB", "first", "peak MB", 512e3),
    ("a night takes more than an hour", "night", "wall s", 3600),
    ("the first build takes more than a day", "first", "wall s", 86400),
]


def number(value):
    """Three digits, without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{round(value, 2 - len(str(int(abs(value)))) + 1):,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}"


def duration(seconds):
    for size, name in [(86400, "d"), (3600, "h"), (60, "min")]:
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {name}" if seconds < 99.5 * size else f"{seconds / size:,.0f} {name}"
    return f"{seconds:.2g} s"


def volume(megabytes):
    for size, name in [(1e6, "TB"), (1e3, "GB")]:
        if megabytes >= size:
            return f"{megabytes / size:.2g} {name}" if megabytes < 99.5 * size else f"{megabytes / size:,.0f} {name}"
    return f"{megabytes:.2g} MB" if megabytes < 99.5 else f"{megabytes:,.0f} MB"


def dollars(value):
    return f"{value:.1g}" if value < 10 else f"{float(f'{value:.1g}'):,.0f}"


def table(heads, rows):
    """Lines of a table in Markdown."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |" for cells in [heads, *rows]]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def machine_hour(megabytes):
    """The dollars of an hour of the smallest machine that has twice the peak: sizes double, and so do their prices."""
    price, size = DOLLARS_AN_HOUR, GB_AT_THAT_PRICE
    while size * 1e3 < 2 * megabytes:
        price, size = 2 * price, 2 * size
    return price, size


def days_of(kind):
    return FIRST_DAYS if kind == "first" else HISTORY_DAYS


def reach(predict, kind, name, size_of, limit):
    """Millions of messages a day at which a quantity passes a limit; it never falls as they grow."""

    def at(millions):
        return predict(kind, name, size_of(days_of(kind), round(millions * 1e6)))

    low, high = 0.0, 1e6
    if at(high) < limit:
        return None
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) < limit else (low, middle)
    return high


def predictions(predict, size_of, beyond):
    """The lines of every table. `predict` gives a quantity of a kind of run in a world; `beyond` how many times that run is larger than
    any that was measured."""
    first = {m: size_of(FIRST_DAYS, m * 1_000_000) for m in MILLIONS_A_DAY}
    night = {m: size_of(HISTORY_DAYS, m * 1_000_000) for m in MILLIONS_A_DAY}
    heads = ["million messages a day", *map(str, MILLIONS_A_DAY)]

    def of_first(name, m):
        return predict("first", name, first[m])

    def of_night(name, m):
        return predict("night", name, night[m])

    def row(name, show):
        return [name, *map(show, MILLIONS_A_DAY)]

    def fold(times):
        return "measured" if times <= 1 else f"extrapolated {number(times)}-fold"

    def month(m):
        hour, _ = machine_hour(of_night("peak MB", m))
        asked = sum(of_night(name, m) * price / 1000 for name, price in DOLLARS_A_THOUSAND.items())
        stored = predict("first", "stored MB", night[m]) / 1e3 * DOLLARS_A_GB_MONTH
        return NIGHTS_A_MONTH * of_night("wall s", m) / 3600 * hour, NIGHTS_A_MONTH * asked, stored

    def first_build(m):
        return of_first("wall s", m) / 3600 * machine_hour(of_first("peak MB", m))[0]

    lines = ["", "### What a size costs", ""]
    lines += [
        f"The first build is of {FIRST_DAYS} days; a night has {HISTORY_DAYS} days of history behind it. Wall clock is that of the machine",
        "named above, with files on its own disk.",
        "",
    ]
    lines += table(heads, [
        row("a first build of this size is", lambda m: fold(beyond("first", first[m]))),
        row("first build, wall clock", lambda m: duration(of_first("wall s", m))),
        row("first build, processor", lambda m: duration(of_first("cpu s", m))),
        row("first build, peak of memory", lambda m: volume(of_first("peak MB", m))),
        row("first build, read of the lake", lambda m: volume(of_first("lake MB", m))),
        row("first build, requests", lambda m: number(sum(of_first(name, m) for name in DOLLARS_A_THOUSAND))),
        row("a night of this size is", lambda m: fold(beyond("night", night[m]))),
        row("a night, wall clock", lambda m: duration(of_night("wall s", m))),
        row("a night, processor", lambda m: duration(of_night("cpu s", m))),
        row("a night, peak of memory", lambda m: volume(of_night("peak MB", m))),
        row("a night, read of the lake", lambda m: volume(of_night("lake MB", m))),
        row("a night, read in all", lambda m: volume(of_night("read MB", m))),
        row("a night, requests that read", lambda m: number(round(of_night("reads", m)))),
        row("a night, requests that write or list", lambda m: number(round(of_night("writes and lists", m)))),
        row("kept in the output after a year", lambda m: volume(predict("first", "stored MB", night[m]))),
    ])
    lines += ["", "### Money", ""]
    reads, writes = DOLLARS_A_THOUSAND.values()
    lines += [
        f"Assumed, as orders of magnitude of {ASSUMED_ON}, in dollars: an hour of 2 cores with {GB_AT_THAT_PRICE} GB {DOLLARS_AN_HOUR}, and twice",
        "that for twice the machine; the machine has at least twice the memory of the peak, and is there for the run only; a GB kept",
        f"for a month {DOLLARS_A_GB_MONTH}; 1,000 requests that read {reads}, that write or list {writes}. Only the order of magnitude means",
        "anything. A larger machine is taken at its price, and none of its speed.",
        "",
    ]
    lines += table(heads, [
        row("machine for a night, GB", lambda m: number(machine_hour(of_night("peak MB", m))[1])),
        row("machine for the first build, GB", lambda m: number(machine_hour(of_first("peak MB", m))[1])),
        row("first build, machine, once", lambda m: dollars(first_build(m))),
        row("nights of a month, machine", lambda m: dollars(month(m)[0])),
        row("nights of a month, requests", lambda m: dollars(month(m)[1])),
        row("output kept, a month", lambda m: dollars(month(m)[2])),
    ])
    lines += ["", "### Where one machine ends", ""]
    found = [(name, kind, reach(predict, kind, quantity, size_of, limit)) for name, kind, quantity, limit in LIMITS]
    found = sorted((one for one in found if one[2]), key=lambda one: one[2])
    rows = [[name, number(at), fold(beyond(kind, size_of(days_of(kind), round(at * 1e6))))] for name, kind, at in found]
    lines += table(["what happens", "at million messages a day", "which is"], rows)
    if found:
        name, _, at = found[0]
        lines += ["", f"What comes first: {name}, at about {number(at)} million messages a day."]
    return lines


def write_between_markers(path, lines):
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{path} lacks the markers {BEGIN} and {END}")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)
