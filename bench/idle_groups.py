#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# What groups cost to which nothing happens: three nodes on this machine, many groups on them, one of which is busy at
# times. Prints a table in Markdown and, with --append, adds it to bench/results.md.
#   CPU: all three processes, user and system, while nothing is asked of them.
#   memory: what the resident set grew by, for each group and node. "Beyond its data": the groups hold none.
#   busy: `zraft bench` on one group, alone on fresh nodes and among all the others.
#
#   bench/idle_groups.py [--groups N] [--idle SECONDS] [--seconds S] [--data DIR] [--append]
import argparse
import concurrent.futures
import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import run as bench

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


class Nodes(bench.Zraft):
    def pids(self):
        return [process.pid for process, _, _ in self.processes]

    def create(self, count):
        peers = [f"n{i}@127.0.0.1:{port}" for i, port in enumerate(self.ports)]

        def create_one(number):
            subprocess.run([bench.BIN / "zraft", *self.hosts(), "--timeout", "60", "create", f"g{number}", *peers],
                           check=True, stdout=subprocess.DEVNULL)

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(create_one, range(count)))

    def cpu(self):
        return sum(cpu_seconds(pid) for pid in self.pids())

    # Until what the creation left to do is done: the CPU of five seconds is as small as it is for few groups.
    def settle(self):
        spent = [self.cpu()]
        while len(spent) < 6 or spent[-1] - spent[-6] > 0.05 and len(spent) < 120:
            time.sleep(1)  # a measurement over time, not a test
            spent.append(self.cpu())

    def throughput(self, rounds, seconds):
        return [self.load(64, seconds, "put")["per_second"] for _ in range(rounds)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=10000)
    parser.add_argument("--idle", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=pathlib.Path, default=bench.ROOT / "build/bench/data")
    parser.add_argument("--append", action="store_true")
    arguments = parser.parse_args()

    with Nodes("alone", arguments.data) as nodes:
        alone = nodes.throughput(arguments.rounds, arguments.seconds)
    with Nodes("among", arguments.data) as nodes:
        nodes.settle()
        before = [resident_bytes(pid) for pid in nodes.pids()]
        begin = time.monotonic()
        nodes.create(arguments.groups)
        created = time.monotonic() - begin
        nodes.settle()
        grown = sum(resident_bytes(pid) for pid in nodes.pids()) - sum(before)
        cpu, begin = nodes.cpu(), time.monotonic()
        time.sleep(arguments.idle)  # a measurement over time, not a test
        share = (nodes.cpu() - cpu) / (time.monotonic() - begin)
        among = nodes.throughput(arguments.rounds, arguments.seconds)

    ratio = statistics.median(among) / statistics.median(alone)
    table = (f"## {datetime.date.today()}, `bench/idle_groups.py --groups {arguments.groups}`\n\n"
             f"{os.cpu_count()} cores, Linux {platform.release()}; three nodes on one machine, {arguments.groups} "
             f"groups of three on them, created in {created:.0f} s.\n\n"
             "| what | measured | goal |\n|---|---|---|\n"
             f"| CPU of all three nodes while all groups are idle, over {arguments.idle} s "
             f"| {100 * share:.2f} % of a core | under 1 % |\n"
             f"| memory for each group and node | {grown / 3 / arguments.groups / 1024:.1f} KiB | under 8 KiB |\n"
             f"| one busy group among them, 64 clients | {statistics.median(among):.0f} put/s, {ratio:.2f} of alone "
             "| at least 0.90 |\n")
    bench.report(table, arguments.append)


if __name__ == "__main__":
    main()
