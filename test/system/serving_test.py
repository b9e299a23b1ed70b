# SPDX-License-Identifier: Apache-2.0
#
# What scripts rely on: three nodes, every command of zraft, what it prints and its exit status.
import unittest

import wait
from processes import GROUP, SystemTest


class Serving(SystemTest):
    def test_every_command_prints_and_ends_as_documented(self):
        self.start_group()
        self.expect(None, 0, "put", "a/1", "one")
        self.expect(None, 0, "put", "a/2", "two")
        self.expect(None, 0, "put", "b/1", "other")
        self.expect("one\n", 0, "get", "a/1")
        self.expect(None, 1, "get", "absent")
        self.expect(None, 0, "cas", "a/1", "one", "uno")
        self.expect(None, 1, "cas", "a/1", "one", "eins")
        self.expect("uno\n", 0, "get", "a/1")
        self.expect(None, 0, "scan", "a/")
        scan = self.expect(None, 0, "scan", "a/", "--limit", "1").stdout
        self.assertIn("a/1", scan)
        self.assertNotIn("a/2", scan)
        self.expect("3\n", 0, "count", "")
        self.expect("2\n", 0, "count", "a/")
        self.expect(None, 0, "del", "a/1")
        self.expect(None, 1, "get", "a/1")
        self.expect("1\n", 0, "count", "a/")

    def test_any_of_the_nodes_can_be_asked(self):
        nodes = self.start_group()
        for node in nodes:
            self.assertEqual(self.zraft("put", node.name, "x", hosts=[node.address]).returncode, 0)
        for node in nodes:
            self.assertEqual(self.zraft("count", "", hosts=[node.address]).stdout, "3\n")

    def test_status_shows_every_member_with_one_leader(self):
        self.start_group()
        self.wait_for_leader()
        rows = self.status()
        self.assertEqual(sorted(rows), ["n1", "n2", "n3"])
        self.assertEqual(sorted(row["role"] for row in rows.values()), ["follower", "follower", "leader"])
        wait.until("all members have applied the same", self.all_applied_the_same)

    def test_two_groups_live_side_by_side_on_the_same_nodes(self):
        nodes = self.start_group()
        self.expect(None, 0, "create", "second", *(node.peer for node in nodes))
        self.expect(None, 0, "put", "key", "of the first")
        self.expect(None, 0, "--group", "second", "put", "key", "of the second")
        self.expect("of the first\n", 0, "get", "key")
        self.expect("of the second\n", 0, "--group", "second", "get", "key")
        for node in nodes:
            node.kill()
            node.start()
        self.expect("of the first\n", 0, "--group", GROUP, "get", "key")
        self.expect("of the second\n", 0, "--group", "second", "get", "key")

    def test_a_group_of_one_serves_as_well(self):
        node, = self.start_group(1)
        self.expect(None, 0, "put", "key", "value")
        node.kill()
        node.start()
        self.expect("value\n", 0, "get", "key")


if __name__ == "__main__":
    unittest.main(verbosity=2)
