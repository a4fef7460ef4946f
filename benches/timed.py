"""Runs one command and writes down what it took, as JSON: seconds of wall clock and of processor, MB of memory at the peak, MB
that it read from files, and its exit code.

    python -I -S benches/timed.py OUT.json COMMAND...

A process of its own, as small as Python can be: Linux counts the memory of whoever starts a program as the program's.
"""

import json
import os
import sys
import time

began = time.perf_counter()
child = os.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
wall = time.perf_counter() - began
with open(f"/proc/{child}/io") as counted:
    read = int(counted.readline().split()[1])
_, status, used = os.wait4(child, 0)
took = {
    "wall": wall,
    "processor": used.ru_utime + used.ru_stime,
    "memory": used.ru_maxrss / 1024,
    "read": read / 1e6,
    "code": os.waitstatus_to_exitcode(status),
}
with open(sys.argv[1], "w") as out:
    json.dump(took, out)
