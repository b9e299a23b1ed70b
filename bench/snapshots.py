#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# What snapshots cost: three nodes on this machine, one group of many keys. Prints a table in Markdown and, with
# --append, adds it to bench/results.md. What this build cannot be asked for is named, and left out.
#   writes: p99 of `zraft bench` alone, while snapshots are written, and while a fourth member fetches one.
#   transfer: of that member, beside `cp` and a plain socket copy of the same files.
#   restart: of all three nodes, until the first of them answers a read.
#   disk: bytes of the newest snapshot for each key, at one node.
# Keys are drawn at random, so some of --keys are never written: what was written is what is counted.
#
#   bench/snapshots.py [--keys N] [--seconds S] [--backends LIST] [--data DIR] [--append]
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import run as bench

CLIENTS = 64
PIECE = 1 << 20


class Nodes(bench.Zraft):
    backend = "memory"

    def ready(self):
        peers = [f"n{i}@127.0.0.1:{port}" for i, port in enumerate(self.ports)]
        self.zraft("create", "kv", *peers, "--backend", self.backend)
        self.zraft("put", "ready", "1")

    def zraft(self, *words, check=True):
        command = [bench.BIN / "zraft", *self.hosts(), *words]
        return subprocess.run([str(word) for word in command], check=check, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def put(self, keys, seconds):
        command = [bench.BIN / "zraft", *self.hosts(), "--output", "json", "bench", "--clients", CLIENTS,
                   "--connections", bench.CONNECTIONS, "--value-bytes", bench.VALUE_BYTES, "--keys", keys,
                   "--seconds", seconds, "--op", "put"]
        done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)

    # Until so many writes were made as there are keys.
    def fill(self, keys):
        written = 0
        while written < keys:
            found = self.put(keys, 5)
            written += int(found["per_second"] * 5)
            print(f"{self.backend}: {written} of {keys} writes", file=sys.stderr, flush=True)

    def take_snapshot(self):
        return self.zraft("snapshot", "take", "kv", check=False).returncode == 0

    def stop(self, number):
        process, _, _ = self.processes[number]
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    def start_again(self, number):
        _, port, _ = self.processes[number]
        kept, self.processes = self.processes, []
        self.launch(port, [bench.BIN / "zraftd", "--name", f"n{number}", "--listen", f"127.0.0.1:{port}", "--data",
                           self.data / f"n{number}"])
        kept[number] = self.processes[0]
        self.processes = kept

    def files(self, number):
        newest = sorted((self.data / f"n{number}").glob("**/snap-*"), key=lambda path: path.stat().st_mtime)
        return sorted(path for path in newest[-1].iterdir() if path.is_file()) if newest else []


def size_of(files):
    return sum(path.stat().st_size for path in files)


def rate_of_cp(files, data):
    target = data / "copy"
    target.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for path in files:
        shutil.copy(path, target / path.name)
    subprocess.run(["sync", "-f", str(target)], check=True)
    spent = time.monotonic() - begun
    shutil.rmtree(target)
    return size_of(files) / spent


def rate_of_socket(files, data):
    target = data / "copy.socket"
    with socket.create_server(("127.0.0.1", 0)) as server:
        def send():
            with socket.create_connection(server.getsockname()) as link:
                for path in files:
                    with open(path, "rb") as file:
                        link.sendfile(file)

        sender = threading.Thread(target=send)
        begun = time.monotonic()
        sender.start()
        link, _ = server.accept()
        with link, open(target, "wb") as file:
            while piece := link.recv(PIECE):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        sender.join()
    spent = time.monotonic() - begun
    target.unlink()
    return size_of(files) / spent


def p99_during(nodes, arguments, work):
    found = []
    load = threading.Thread(target=lambda: found.append(nodes.put(arguments.keys, arguments.seconds)))
    load.start()
    work(load)
    load.join()
    return found[0]["p99_ms"]


# A fourth node joins, which has nothing. The time is from when it begins to fetch a snapshot until that is whole.
def transfer(nodes, arguments):
    port = nodes.ports[-1] + 1
    spent = []

    def join(_):
        nodes.launch(port, [bench.BIN / "zraftd", "--name", "n3", "--listen", f"127.0.0.1:{port}", "--data",
                            nodes.data / "n3"])
        bench.wait_for_port(port, nodes.processes[-1][0], nodes.processes[-1][2])
        adding = threading.Thread(target=lambda: nodes.zraft("--timeout", "600", "add", "kv", f"n3@127.0.0.1:{port}"))
        adding.start()
        begun, limit = None, time.monotonic() + 600
        while not nodes.files(3) and time.monotonic() < limit:
            if begun is None and any((nodes.data / "n3").glob("**/part-*")):
                begun = time.monotonic()
            time.sleep(0.002)  # a measurement over time, not a test
        if nodes.files(3) and begun is not None:
            spent.append(time.monotonic() - begun)
        adding.join()

    p99 = p99_during(nodes, arguments, join)
    return p99, size_of(nodes.files(3)) / spent[0] if spent else None


def restart(nodes):
    for number in range(3):
        nodes.stop(number)
    begun = time.monotonic()
    for number in range(3):
        nodes.start_again(number)
    while nodes.zraft("get", "ready", check=False).returncode != 0:
        if time.monotonic() - begun > 120:
            bench.fail("the nodes do not serve 120 s after their start")
    return time.monotonic() - begun


def measure(arguments, backend):
    Nodes.backend = backend
    row = {"backend": backend}
    with Nodes(f"snapshots-{backend}", arguments.data) as nodes:
        nodes.fill(arguments.keys)
        row["alone"] = nodes.put(arguments.keys, arguments.seconds)["p99_ms"]
        if not nodes.take_snapshot():
            print("bench: this build has no `zraft snapshot take`: only what is due is measured", file=sys.stderr)

        def take_all_the_time(load):
            while load.is_alive() and nodes.take_snapshot():
                pass

        row["saving"] = p99_during(nodes, arguments, take_all_the_time)
        files = nodes.files(0)
        if files:
            row["per_key"] = size_of(files) / arguments.keys
            row["cp"], row["socket"] = rate_of_cp(files, arguments.data), rate_of_socket(files, arguments.data)
            row["fetching"], row["transfer"] = transfer(nodes, arguments)
        row["restart"] = restart(nodes)
    return row


def cell(row, name, scale=1.0):
    return f"{row[name] / scale:.2f}" if row.get(name) is not None else "-"


def table(rows):
    lines = ["| backend | p99 ms alone / saving / fetching | transfer, cp, socket MB/s | restart s | bytes a key |",
             "|---|---|---|---|---|"]
    for row in rows:
        p99 = " / ".join(cell(row, name) for name in ("alone", "saving", "fetching"))
        rates = ", ".join(cell(row, name, 1e6) for name in ("transfer", "cp", "socket"))
        lines.append(f"| {row['backend']} | {p99} | {rates} | {cell(row, 'restart')} | {cell(row, 'per_key')} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="what snapshots cost on this machine")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--backends", type=lambda text: text.split(","), default=["memory", "rocksdb"])
    parser.add_argument("--data", type=pathlib.Path, default=bench.ROOT / "bench-data")
    parser.add_argument("--append", action="store_true", help="add the table to bench/results.md")
    arguments = parser.parse_args()
    try:
        rows = [measure(arguments, backend) for backend in arguments.backends]
    finally:
        shutil.rmtree(arguments.data, ignore_errors=True)
    text = (f"## {datetime.date.today()}, `bench/snapshots.py --keys {arguments.keys}`\n\n{os.cpu_count()} cores, "
            f"Linux {platform.release().split('-')[0]}; {bench.VALUE_BYTES}-byte values, {CLIENTS} clients.\n\n"
            f"{table(rows)}\n")
    bench.report(text, arguments.append)


if __name__ == "__main__":
    main()
