# SPDX-License-Identifier: Apache-2.0
#
# A group of three loses two members with their directories for good. `zraft recover` shows what the third has and
# changes nothing; with --apply the third is the group, has every write, and takes new members.
import hashlib
import json
import shutil
import unittest

import wait
from processes import GROUP, SystemTest

SHARDS = ("--shards", "3")  # the group is on any of them


def contents(directory):
    """Every file below, by name: its digest."""
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*")) if path.is_file()}


class Recover(SystemTest):
    def recover(self, status, *arguments):
        return self.expect(None, status, "recover", GROUP, *arguments)

    def write(self, count):
        for number in range(count):
            self.expect("ok\n", 0, "put", f"key{number}", f"value{number}")

    def lose(self, nodes):
        for node in nodes:
            node.kill()
            shutil.rmtree(node.data)

    def test_what_is_left_of_a_lost_majority_is_a_group_again(self):
        nodes = self.start_group(3, *SHARDS)
        self.write(20)
        wait.until("all members have applied the same", self.all_applied_the_same)
        leader = self.wait_for_leader()
        left, *lost = sorted(nodes, key=lambda node: node is leader)
        data = str(left.data)
        self.assertIn("stop the zraftd", self.recover(5, "--data", data).stderr)
        self.lose(lost)
        self.assertEqual(left.stop(), 0)

        before = contents(left.data)
        shown = self.recover(0, "--data", data).stdout
        self.assertIn(left.peer, shown)
        self.assertIn("Nothing was changed", shown)
        for node in lost:
            self.assertIn(node.peer, shown)
        plan = json.loads(self.recover(0, "--data", data, "--dry-run", "--output", "json").stdout)
        self.assertEqual((plan["applied"], plan["chosen"]), (False, left.peer))
        self.assertEqual(sorted(plan["cut_off"]), sorted(node.peer for node in lost))
        self.assertEqual(contents(left.data), before)

        done = json.loads(self.recover(0, "--data", data, "--apply", "--output", "json").stdout)
        self.assertTrue(done["applied"])
        self.assertNotEqual(done["group_id"], plan["copies"][0]["group_id"])
        left.start()
        wait.until("it serves", lambda: self.zraft("count", "").stdout == "20\n")
        for number in range(20):
            self.expect(f"value{number}\n", 0, "get", f"key{number}")

        new, = self.add_nodes(1, *SHARDS)
        new.start()
        lost[0].start()  # with an empty directory, at the address of the lost one
        for node in (new, lost[0]):
            added = self.zraft("add", GROUP, node.peer, timeout=20)
            self.assertEqual(added.returncode, 0, added.stderr)
        self.expect("ok\n", 0, "put", "after", "all")
        left.kill()
        wait.until("it serves without the recovered one", lambda: self.zraft("get", "after").stdout == "all\n")

    def test_the_newest_copy_is_taken_and_the_others_step_aside(self):
        nodes = self.start_group(3, *SHARDS)
        self.write(5)
        behind = nodes[2]
        behind.kill()
        wait.until("the others serve", lambda: self.zraft("put", "newest", "here").returncode == 0)
        for node in nodes[:2]:
            node.kill()
        data = [word for node in reversed(nodes) for word in ("--data", str(node.data))]
        done = json.loads(self.recover(0, *data, "--apply", "--output", "json").stdout)
        self.assertEqual(done["problems"], [])
        chosen = next(node for node in nodes if node.peer == done["chosen"])
        self.assertIsNot(chosen, behind)
        for node in nodes:
            node.start()
        wait.until("it serves", lambda: self.zraft("get", "newest").stdout == "here\n")
        self.assertEqual({name: row["role"] for name, row in self.status().items()},
                         {node.name: "leader" if node is chosen else "removed" for node in nodes})
        for node in nodes:
            if node is chosen:
                continue
            self.assertIn("destroy", self.zraft("add", GROUP, node.peer).stderr)
            self.assertEqual(self.zraft("destroy", GROUP, node.peer, hosts=[node.address]).returncode, 0)
            added = self.zraft("add", GROUP, node.peer, timeout=20)
            self.assertEqual(added.returncode, 0, added.stderr)
        self.expect("6\n", 0, "count", "")

    def test_the_log_may_be_elsewhere(self):
        logs = self.place / "logs"
        node, = self.start_group(1, "--log_dir", str(logs), *SHARDS)
        self.write(1)
        self.assertEqual(node.stop(), 0)
        self.assertIn("--log-dir", self.recover(5, "--data", str(node.data), "--apply").stderr)
        self.recover(0, "--data", str(node.data), "--log-dir", str(logs), "--apply")
        node.start()
        wait.until("it serves", lambda: self.zraft("get", "key0").stdout == "value0\n")

    def test_what_cannot_be_is_refused_and_nothing_is_made(self):
        node, = self.start_group(1)
        self.assertEqual(node.stop(), 0)
        before = contents(node.data)
        nowhere = self.place / "nowhere"
        self.assertIn("no such directory", self.recover(5, "--data", str(nowhere), "--apply").stderr)
        self.assertFalse(nowhere.exists())
        nowhere.mkdir()
        self.assertIn("no data directory", self.recover(5, "--data", str(nowhere), "--apply").stderr)
        self.assertEqual(list(nowhere.iterdir()), [])
        ran = self.expect(None, 5, "recover", "other", "--data", str(node.data), "--apply")
        self.assertIn(GROUP, ran.stderr)
        self.recover(2, "--data", str(node.data), "--apply", "--dry-run")
        self.recover(2, "--data", str(node.data), "--log-dir", "a", "--log-dir", "b")
        self.recover(2)
        self.assertIn("name each directory once",
                      self.recover(5, "--data", str(node.data), "--data", str(node.data)).stderr)
        self.assertEqual(contents(node.data), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
