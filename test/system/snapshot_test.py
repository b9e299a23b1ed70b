# SPDX-License-Identifier: Apache-2.0
#
# Snapshots of real nodes: a group is filled, a node loses its disk, and the one in its place fetches a snapshot,
# slowly, while clients write. Half way the leader is killed with kill -9:
#
#   n1 leads, sends     ----kill -9----   starts again
#   n2                  has the same snapshot        leads, sends the rest
#   n3 dies, wiped
#   n4 in its place     fetches, 40 %                goes on there, votes
#
#   ZRAFT_STORE_MIB   how much is written first (64); 1024 takes some minutes, and ten times that on the disk
import hashlib
import json
import os
import re
import shutil
import unittest

import wait
from processes import GROUP
from writers import WriterTest

STORE_MIB = int(os.environ.get("ZRAFT_STORE_MIB", "64"))
VALUE_BYTES = 16384
KEYS = STORE_MIB * 1048576 // VALUE_BYTES
TRANSFER_SECONDS = 10
PATIENCE = wait.PATIENCE + STORE_MIB


class SnapshotTest(WriterTest):
    def rows(self):
        """What `zraft status` says in JSON, by node."""
        ran = self.zraft("--output", "json", "status", timeout=2)
        rows = json.loads(ran.stdout or "{}").get("members", [])
        return {row["peer"].split("@")[0]: row for row in rows}

    def all_have_snapshots(self):
        rows = self.rows()
        return rows if all(rows.get(node.name, {}).get("snapshot", 0) > 0 for node in self.nodes) else None

    def fill(self, keys=KEYS, value_bytes=VALUE_BYTES):
        """Writes each of key00000000 and so on once."""
        filling = self.begin_zraft("--timeout", "60", "bench", "--op", "get", "--keys", str(keys), "--value-bytes",
                                   str(value_bytes), "--clients", "16", "--connections", "2", "--seconds", "0.1")
        said, _ = filling.communicate(timeout=PATIENCE)
        self.assertEqual(filling.returncode, 0, said)

    def start_another(self, *flags):
        node, = self.add_nodes(1, *flags)
        node.start()
        return node

    def voters(self):
        ran = self.zraft("--output", "json", "members", GROUP, timeout=2)
        rows = json.loads(ran.stdout)["members"] if ran.returncode == 0 else []
        return sorted(row["peer"].split("@")[0] for row in rows if row["member"] == "voter")

    def snapshot_files(self, node, index):
        """Of its snapshot of that index, what the state machine wrote: by name, a digest."""
        digests = {}
        for path in node.data.glob(f"**/snapshots/*/snap-{index}-*/*"):
            with open(path, "rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        digests.pop("meta", None)
        return digests

    def expect_the_same_data(self, nodes):
        """A snapshot of one state has the same bytes at every member."""
        wait.until("all have applied the same", self.all_applied_the_same)
        taken = self.expect(None, 0, "--output", "json", "--timeout", "25", "snapshot", "take", GROUP).stdout
        taken = json.loads(taken)
        indexes = {row["snapshot"] for row in taken["members"]}
        self.assertEqual(len(taken["members"]), len(nodes))
        self.assertEqual(len(indexes), 1, taken)
        index, = indexes
        files = [self.snapshot_files(node, index) for node in nodes]
        self.assertTrue(files[0], index)
        for found in files[1:]:
            self.assertEqual(found, files[0])


class Watch:
    """How far a node's fetching is, each time one looks; nothing that is there of a snapshot may be lost again."""

    def __init__(self, test, node):
        self.test = test
        self.node = node
        self.bytes = {}  # by the index of the snapshot

    def look(self):
        row = self.test.rows().get(self.node.name, {})
        progress = row.get("fetching")
        if progress:
            index = progress["index"]
            self.test.assertGreaterEqual(progress["bytes"], self.bytes.get(index, 0), "what was there is gone")
            self.bytes[index] = progress["bytes"]
        return row

    def is_half_way(self):
        progress = self.look().get("fetching")
        return progress if progress and progress["percent"] >= 40 else None


class Snapshots(SnapshotTest):
    def everything(self):
        """Without what was filled in: a page of that is large."""
        found = {}
        for prefix in ("w", "register/"):
            read = self.zraft("--output", "json", "scan", prefix, "--limit", "1000000")
            self.assertEqual(read.returncode, 0, read.stderr)
            found.update({item["key"]: item["value"] for item in json.loads(read.stdout)["items"]})
        return found

    def replaced(self, names, watch, replacing):
        """Looks until the voters are those; asks again when the first asking ended in vain."""
        asked = [replacing]

        def is_done():
            watch.look()
            if self.voters() == names:
                return True
            if asked[0].poll() is not None:
                asked[0].communicate()
                asked[0] = self.begin_zraft(*asked[0].args[1:])
            return False

        wait.until(f"the voters are {names}", is_done, PATIENCE)
        asked[0].communicate(timeout=wait.PATIENCE)

    def next_leader_after(self, old):
        """Without a third one the killed node must be back before anybody can lead; then another one is to."""
        old.start()
        if self.wait_for_leader() is old:
            self.expect(None, 0, "transfer", GROUP)
        return wait.until("another one leads", lambda: self.leader() not in (None, old) and self.leader())

    def test_a_newcomer_goes_on_at_the_next_leader(self):
        rate = STORE_MIB * 1048576 // TRANSFER_SECONDS
        flags = ("--max_log_count", str(KEYS // 2), "--log_bytes_retained", "64K", "--snapshot_backup", "1",
                 "--snapshot_rate", str(rate))
        self.start_group(3, *flags)
        self.fill()
        wait.until("everybody has a snapshot", self.all_have_snapshots)
        self.start_writers()
        leader = self.wait_for_leader()
        victim = next(node for node in self.nodes if node is not leader)
        victim.kill()
        shutil.rmtree(victim.data)
        newcomer = self.start_another(*flags)
        self.nodes.remove(victim)
        watch = Watch(self, newcomer)
        replacing = self.begin_zraft("--timeout", str(PATIENCE), "replace", GROUP, victim.peer, newcomer.peer)
        half = wait.until("the newcomer has 40 % of a snapshot", watch.is_half_way, PATIENCE)
        self.assertLess(half["percent"], 95)
        sending = [follower["sending"] for row in self.rows().values() for follower in row.get("followers", [])]
        self.assertTrue(any(sending), "the leader says that it sends")

        leader.kill()
        next_leader = self.next_leader_after(leader)
        self.replaced(sorted(node.name for node in self.nodes), watch, replacing)
        goes_on = rf"goes on fetching the snapshot \d+\^{half['index']} .* at {re.escape(next_leader.address)}"
        self.assertRegex(newcomer.log(), goes_on)
        begun = re.findall(r": fetches the snapshot (\d+\^\d+) of \d+ bytes, of which \d+ are here", newcomer.log())
        self.assertTrue(begun)
        self.assertEqual(len(set(begun)), len(begun), "one was begun again")
        self.assertIn(half["index"], [int(position.split("^")[1]) for position in begun])

        self.wait_for_writes("with the newcomer")
        self.stop_writers()
        self.check_all()
        self.restart_all()

    def check_all(self):
        self.check_writes()
        self.assertEqual(int(self.zraft("count", "key").stdout), KEYS)
        self.expect_the_same_data(self.nodes)

    def restart_all(self):
        """From snapshots: the log does not go back to the beginning any more."""
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.start()
        self.wait_for_leader()
        for row in wait.until("everybody has its snapshot", self.all_have_snapshots).values():
            self.assertGreater(row["first"], 1)
            self.assertGreater(row["snapshot_bytes"], STORE_MIB * 1048576)
        self.check_all()


class SmallSnapshots(SnapshotTest):
    FLAGS = ("--max_log_count", "50", "--log_bytes_retained", "4K")

    def test_are_fetched_at_a_listener_of_their_own(self):
        flags = (*self.FLAGS, "--shards", "2", "--snapshot_listener_addr", "127.0.0.1", "--snapshot_listener_port", "0")
        self.start_group(1, *flags)
        self.fill(200, 100)
        first, = self.nodes
        where = re.search(r"sends snapshots at (127\.0\.0\.1:\d+)", first.log()).group(1)
        self.assertNotEqual(where, first.address)
        newcomer = self.start_another(*flags)
        self.expect(None, 0, "--timeout", "20", "add", GROUP, newcomer.peer)
        self.assertRegex(newcomer.log(), rf"fetches the snapshot .* at {re.escape(where)}")
        self.expect_the_same_data(self.nodes)

    def test_are_taken_when_an_operator_says_so(self):
        nodes = self.start_group(3, "--max_log_count", "0")
        self.expect(None, 0, "put", "a", "1")
        wait.until("all have applied the same", self.all_applied_the_same)
        self.assertTrue(all(row["snapshot"] == 0 for row in self.rows().values()))
        taken = self.expect(None, 0, "snapshot", "take", GROUP, nodes[1].peer).stdout.splitlines()
        self.assertEqual(taken[1].split()[0], nodes[1].peer)
        rows = self.rows()
        self.assertEqual([rows[node.name]["snapshot"] > 0 for node in nodes], [False, True, False])
        self.expect_the_same_data(nodes)
        self.expect(None, 5, "snapshot", "take", "nosuch")
        self.expect(None, 5, "snapshot", "take", GROUP, "n9@127.0.0.1:1")

    def test_a_store_in_rocksdb_survives_kill_9(self):
        nodes = self.add_nodes(3, *self.FLAGS)
        for node in nodes:
            node.start()
        self.expect(None, 0, "create", GROUP, "--backend", "rocksdb", *(node.peer for node in nodes))
        self.fill(300, 100)
        self.expect("ok\n", 0, "put", "a", "1")
        for node in nodes:
            node.kill()
        for node in nodes:
            node.start()
        self.expect("1\n", 0, "--timeout", "15", "get", "a")
        self.expect("300\n", 0, "count", "key")
        wait.until("all have applied the same", self.all_applied_the_same)
        for node in nodes:
            read = self.zraft("get", "a", "--stale", hosts=[node.address])
            self.assertEqual(read.stdout, "1\n")
        newcomer = self.start_another(*self.FLAGS)
        self.expect(None, 0, "--timeout", "20", "add", GROUP, newcomer.peer)
        self.assertIn("fetches the snapshot", newcomer.log())
        wait.until("all have applied the same", self.all_applied_the_same)
        self.assertEqual(self.zraft("count", "key", "--stale", hosts=[newcomer.address]).stdout, "300\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
