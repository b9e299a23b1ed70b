#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# zraft beside etcd: three members each, on this machine, with their data on the same disk, under the same closed loop.
# One after the other, in rounds, each round in the other order, because machines are noisy; what counts is the median
# of a whole run and the ratio. Prints a table in Markdown and, with --append, adds it to bench/results.md.
#
#   bench/run.py [--rounds N] [--seconds S] [--clients LIST] [--op put|get|mixed] [--data DIR] [--append]
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build/release/bin"
LOAD = ROOT / "build/bench/etcd_load"
FIRST_PORT = 17301
VALUE_BYTES = 256
CONNECTIONS = 8
KEYS = 10000


def fail(text):
    sys.exit(f"bench: {text}")


def wait_for_port(port, process, log):
    for _ in range(600):
        if process.poll() is not None:
            fail(f"a node ended instead of listening on port {port}: see {log}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # until a process of another make listens: there is nothing else to wait for
    fail(f"nothing listens on port {port} after 30 s: see {log}")


class Cluster:
    def __init__(self, name, data):
        self.name, self.data, self.processes = name, data / name, []
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)

    def launch(self, port, command):
        log = self.data / f"{port}.log"
        with open(log, "w") as out:
            process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out)
        self.processes.append((process, port, log))

    def __enter__(self):
        self.start()
        for process, port, log in self.processes:
            wait_for_port(port, process, log)
        self.ready()
        return self

    def __exit__(self, *_):
        for process, _, _ in self.processes:
            process.send_signal(signal.SIGTERM)
        for process, _, _ in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def ready(self):
        pass


class Zraft(Cluster):
    def start(self):
        self.ports = [FIRST_PORT + i for i in range(3)]
        for i, port in enumerate(self.ports):
            self.launch(port, [BIN / "zraftd", "--name", f"n{i}", "--listen", f"127.0.0.1:{port}",
                               "--data", self.data / f"n{i}"])

    def ready(self):
        peers = [f"n{i}@127.0.0.1:{port}" for i, port in enumerate(self.ports)]
        subprocess.run([BIN / "zraft", *self.hosts(), "create", "kv", *peers], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([BIN / "zraft", *self.hosts(), "put", "ready", "1"], check=True, stdout=subprocess.DEVNULL)

    def hosts(self):
        return ["--hosts", ",".join(f"127.0.0.1:{port}" for port in self.ports)]

    def load(self, clients, seconds, op):
        command = [BIN / "zraft", *self.hosts(), "--output", "json", "bench", "--clients", clients, "--connections",
                   CONNECTIONS, "--value-bytes", VALUE_BYTES, "--keys", KEYS, "--seconds", seconds, "--op", op]
        return json.loads(subprocess.run([str(w) for w in command], check=True, stdout=subprocess.PIPE).stdout)


class Etcd(Cluster):
    def start(self):
        self.ports = [FIRST_PORT + 10 + i for i in range(3)]
        initial = ",".join(f"n{i}=http://127.0.0.1:{port + 10}" for i, port in enumerate(self.ports))
        for i, port in enumerate(self.ports):
            mine, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 10}"
            self.launch(port, ["etcd", "--name", f"n{i}", "--data-dir", self.data / f"n{i}", "--listen-client-urls",
                               mine, "--advertise-client-urls", mine, "--listen-peer-urls", peer,
                               "--initial-advertise-peer-urls", peer, "--initial-cluster", initial])

    def ready(self):
        environment = dict(os.environ, ETCDCTL_API="3")
        subprocess.run(["etcdctl", "--endpoints", f"127.0.0.1:{self.ports[0]}", "put", "ready", "1"], check=True,
                       env=environment, stdout=subprocess.DEVNULL)

    def load(self, clients, seconds, op):
        command = [LOAD, "-hosts", ",".join(f"127.0.0.1:{port}" for port in self.ports), "-clients", clients,
                   "-connections", CONNECTIONS, "-value-bytes", VALUE_BYTES, "-keys", KEYS, "-seconds", seconds,
                   "-op", op]
        return json.loads(subprocess.run([str(w) for w in command], check=True, stdout=subprocess.PIPE).stdout)


def build_etcd_load():
    LOAD.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode")
    subprocess.run(["go", "build", "-o", str(LOAD), "."], cwd=ROOT / "bench/etcd_load", env=environment, check=True)


def report(text, append):
    print(text)
    if append:
        with open(ROOT / "bench/results.md", "a") as results:
            results.write("\n" + text)


def measure(arguments, data):
    runs = {}
    for number in range(arguments.rounds):
        makes = [Zraft, Etcd] if number % 2 == 0 else [Etcd, Zraft]
        for make in makes:
            for clients in arguments.clients:
                with make(make.__name__.lower(), data) as cluster:
                    found = cluster.load(clients, arguments.seconds, arguments.op)
                    runs.setdefault((clients, cluster.name), []).append(found)
                    print(f"round {number + 1}: {cluster.name}, {clients} clients: {found['per_second']:.0f}/s, "
                          f"p99 {found['p99_ms']:.2f} ms, {found['errors']} errors", file=sys.stderr, flush=True)
    return runs


def table(arguments, runs):
    def median(clients, name, field):
        return statistics.median(run[field] for run in runs[clients, name])

    op = arguments.op
    lines = [f"| clients | zraft {op}/s | etcd {op}/s | ratio | zraft p50 / p99 ms | etcd p50 / p99 ms |",
             "|---|---|---|---|---|---|"]
    for clients in arguments.clients:
        ours, theirs = median(clients, "zraft", "per_second"), median(clients, "etcd", "per_second")
        times = [f"{median(clients, name, 'p50_ms'):.2f} / {median(clients, name, 'p99_ms'):.2f}"
                 for name in ("zraft", "etcd")]
        lines.append(f"| {clients} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} | {times[0]} | {times[1]} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="zraft beside etcd on this machine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 64])
    parser.add_argument("--op", choices=["put", "get", "mixed"], default="put")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "bench-data")
    parser.add_argument("--append", action="store_true", help="add the table to bench/results.md")
    arguments = parser.parse_args()
    for program in ("etcd", "etcdctl", "go"):
        if shutil.which(program) is None:
            fail(f"{program} is not installed: run `make bench`, which installs it")
    build_etcd_load()
    try:
        runs = measure(arguments, arguments.data)
    finally:
        shutil.rmtree(arguments.data, ignore_errors=True)
    version = subprocess.run(["etcd", "--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]
    words = ["bench/run.py", "--rounds", arguments.rounds, "--seconds", f"{arguments.seconds:g}", "--clients",
             ",".join(map(str, arguments.clients)), "--op", arguments.op]
    text = (f"## {datetime.date.today()}, `{' '.join(map(str, words))}`\n\n{os.cpu_count()} cores, Linux "
            f"{platform.release().split('-')[0]}, {version}; {VALUE_BYTES}-byte values, {KEYS} keys, {CONNECTIONS} "
            f"connections; medians of {arguments.rounds}.\n\n{table(arguments, runs)}\n")
    report(text, arguments.append)


if __name__ == "__main__":
    main()
