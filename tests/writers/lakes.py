"""Lays lakes: `lakes.py ROWS SPARK FOLDER PLACE:NAME...` makes FOLDER/PLACE/lake of each. ROWS are the world's, as JSON; SPARK is the folder
of the tables that spark.py wrote.

Says on standard output, line by line, which lakes it cannot lay and why.
"""

import json
import os
import shutil
import sys
import traceback

import lay


def base(folder, rows, days):
    """The lake as the contract has it."""
    import arrow

    made = lay.Lake(folder, rows, days)
    made.every(arrow.plain)
    made.aliases(arrow.plain)


def kept(of_spark):
    """Lakes that Spark wrote before: the tables that it wrote lie in the place of pyarrow's."""
    for name in os.listdir(of_spark) if os.path.exists(of_spark) else []:
        def lay_kept(made, name=name):
            for table in os.listdir(os.path.join(of_spark, name)):
                made.clear(table)
                shutil.copytree(os.path.join(of_spark, name, table), os.path.join(made.folder, table))
        lay.LAKES[name] = lay_kept


def main(rows, of_spark, folder, names):
    import arrow, delta, folders, frames  # noqa: F401 (each names its lakes)

    kept(of_spark)
    with open(rows) as file:
        world = json.load(file)
    start = os.path.join(folder, "base")
    base(start, world, world["days"])
    for name in names:
        place, name = name.split(":")
        at = os.path.join(folder, place, "lake")
        shutil.copytree(start, at)
        try:
            lay.LAKES[name](lay.Lake(at, world, world["days"]))
        except Exception:
            print(json.dumps({"lake": name, "error": traceback.format_exc(limit=-3)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["names"]:
        import arrow, delta, folders, frames  # noqa: F401

        print("\n".join(lay.LAKES))
    else:
        main(*sys.argv[1:4], sys.argv[4:])
