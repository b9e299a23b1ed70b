# SPDX-License-Identifier: Apache-2.0
#
# Real zraftd processes on loopback, each with a directory and a log of its own, and zraft to speak with them. All of
# them end with the test, and with the test's own process if that is killed.
import ctypes
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import wait

BIN = pathlib.Path(os.environ.get("ZRAFT_BIN", "build/release/bin")).resolve()
GROUP = "kv"
# Below the ports that the system gives to outgoing connections: one of those would take the port of a dead node.
PORTS = range(20000, 32000)
PR_SET_PDEATHSIG = 1


def free_ports(count):
    found = []
    while len(found) < count:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Node:
    """One zraftd: it may be started, stopped, killed, and started again on the same directory."""

    def __init__(self, name, port, place, flags=(), wrapper=()):
        self.name = name
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.peer = f"{name}@{self.address}"
        self.data = place / name
        self.log_path = place / f"{name}.log"
        self.flags = list(flags)
        self.wrapper = list(wrapper)
        self.process = None

    def command(self):
        return [*self.wrapper, str(BIN / "zraftd"), "--name", self.name, "--listen", self.address,
                "--data", str(self.data), *self.flags]

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        wait.until(f"{self.name} listens", self.listens_or_died)

    def listens_or_died(self):
        if not self.is_running():
            raise AssertionError(f"{self.name} ended instead of listening:\n{self.log()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9, and waits for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(wait.PATIENCE)

    def stop(self):
        """SIGTERM, and gives the exit status."""
        self.process.terminate()
        return self.ended()

    def ended(self):
        return self.process.wait(wait.PATIENCE)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


class SystemTest(unittest.TestCase):
    """A temporary directory, nodes in it, and zraft. What the nodes said is shown when a test fails."""

    maxDiff = None

    def setUp(self):
        for program in ("zraftd", "zraft"):
            self.assertTrue((BIN / program).exists(), f"{BIN / program} is not there: give its directory as ZRAFT_BIN")
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="zraft-system-"))
        self.nodes = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for node in self.nodes:
            node.kill()
        outcome = self._outcome.result
        if any(test is self for test, _ in outcome.failures + outcome.errors):
            for node in self.nodes:
                print(f"--- {node.name}\n" + "\n".join(node.log().splitlines()[-30:]))
        shutil.rmtree(self.place, ignore_errors=True)

    def add_nodes(self, count, *flags):
        """Nodes that are not started yet."""
        first = len(self.nodes) + 1
        for number, port in enumerate(free_ports(count), first):
            self.nodes.append(Node(f"n{number}", port, self.place, flags))
        return self.nodes[first - 1:]

    def start_group(self, count=3, *flags):
        nodes = self.add_nodes(count, *flags)
        for node in nodes:
            node.start()
        self.expect(None, 0, "create", GROUP, *(node.peer for node in nodes))
        return nodes

    def command_of(self, arguments, timeout=None, hosts=None):
        environment = dict(os.environ, ZRAFT_GROUP=GROUP)
        environment["ZRAFT_HOSTS"] = ",".join(hosts or [node.address for node in self.nodes])
        return [str(BIN / "zraft"), *(["--timeout", str(timeout)] if timeout else []), *arguments], environment

    def zraft(self, *arguments, timeout=None, hosts=None):
        """Runs zraft; gives what it did (returncode, stdout, stderr)."""
        command, environment = self.command_of(arguments, timeout, hosts)
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=wait.PATIENCE)

    def begin_zraft(self, *arguments):
        """The same, while the test goes on."""
        command, environment = self.command_of(arguments)
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def expect(self, output, status, *arguments):
        """Runs zraft and holds what it printed (None: whatever it is) and its exit status against this."""
        ran = self.zraft(*arguments)
        self.assertEqual(ran.returncode, status, f"zraft {arguments[:2]}: {ran.stdout}{ran.stderr}")
        if output is not None:
            self.assertEqual(ran.stdout, output, f"zraft {arguments[:2]}")
        return ran

    def refuses_to_start(self, status, *arguments):
        """Runs zraftd, which must end with that status; gives what it said."""
        ran = subprocess.run([str(BIN / "zraftd"), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, timeout=wait.PATIENCE)
        self.assertEqual(ran.returncode, status, ran.stderr)
        return ran.stderr

    def status(self):
        """The table of `zraft status`: by node, the cells by heading. Without what follows it, after an empty line."""
        ran = self.zraft("status")
        lines = [line.split() for line in ran.stdout.split("\n\n")[0].splitlines()]
        if ran.returncode != 0 or not lines:
            return {}
        rows = [dict(zip(map(str.lower, lines[0]), cells)) for cells in lines[1:]]
        return {name: row for row in rows for cell in row.values() for name in [cell.split("@")[0]] if "@" in cell}

    def leader(self):
        leading = [name for name, row in self.status().items() if row.get("role") == "leader"]
        return next((node for node in self.nodes if leading == [node.name]), None)

    def wait_for_leader(self):
        return wait.until("there is one leader", self.leader)

    def all_applied_the_same(self):
        rows = self.status()
        applied = {row.get("applied") for row in rows.values()}
        return len(rows) == len(self.nodes) and len(applied) == 1 and "-" not in applied
