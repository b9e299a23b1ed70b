#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# What many sessions cost that only live, and how long it takes until the last of many who watch one key is told: three
# nodes and one client on this machine. Prints a table in Markdown and, with --append, adds it to bench/results.md.
#   CPU and memory: of the three nodes' processes, while the sessions live, against just before.
#   watch: from the write until the last is told, and beside it the time of the same write with one who watches.
#
#   bench/sessions.py [--sessions N] [--watchers N] [--seconds S] [--data DIR] [--append]
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import idle_groups
import run as bench


def begin(nodes, op, clients, seconds):
    return subprocess.Popen([bench.BIN / "zraft", *nodes.hosts(), "--output", "json", "--timeout", "60", "bench",
                             "--op", op, "--clients", str(clients), "--connections", "8", "--seconds", str(seconds)],
                            stdout=subprocess.PIPE, text=True)


def end(process):
    out, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"zraft bench ended with {process.returncode}")
    return json.loads(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=10000)
    parser.add_argument("--watchers", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--data", type=pathlib.Path, default=bench.ROOT / "build/bench/data")
    parser.add_argument("--append", action="store_true")
    arguments = parser.parse_args()

    with idle_groups.Nodes("sessions", arguments.data) as nodes:
        nodes.settle()
        before = sum(idle_groups.resident_bytes(pid) for pid in nodes.pids())
        load = begin(nodes, "sessions", arguments.sessions, arguments.seconds)
        time.sleep(arguments.seconds / 2)  # a measurement over time, not a test; they are open by then
        cpu, start = nodes.cpu(), time.monotonic()
        time.sleep(arguments.seconds / 3)
        share = (nodes.cpu() - cpu) / (time.monotonic() - start)
        grown = sum(idle_groups.resident_bytes(pid) for pid in nodes.pids()) - before
        opened = end(load)
    with idle_groups.Nodes("watchers", arguments.data) as nodes:
        nodes.settle()
        one = end(begin(nodes, "watch", 1, arguments.seconds / 3))
        many = end(begin(nodes, "watch", arguments.watchers, arguments.seconds / 3))

    n = arguments.sessions
    table = (f"## {datetime.date.today()}, `bench/sessions.py --sessions {n} --watchers {arguments.watchers}`\n\n"
             f"{os.cpu_count()} cores, Linux {platform.release()}; three nodes and the client on one machine; "
             "sessions of 10 s, each heard of every 3.3 s.\n\n"
             "| what | measured |\n|---|---|\n"
             f"| {n} sessions opened, all at once | {opened['max_ms'] / 1000:.2f} s |\n"
             f"| lost or suspended while they live | {opened['errors']} |\n"
             f"| CPU of all three nodes for them | {100 * share:.1f} % of a core, "
             f"{1e6 * share / (n / 3.333):.1f} us for each sign of life |\n"
             f"| memory of all three nodes for them | {grown / n:.0f} bytes each |\n"
             f"| a write until the one who watches is told | p50 {one['p50_ms']:.2f} ms |\n"
             f"| a write until the last of {arguments.watchers} is told | p50 {many['p50_ms']:.1f} ms, "
             f"p99 {many['p99_ms']:.1f} ms |\n")
    bench.report(table, arguments.append)


if __name__ == "__main__":
    main()
