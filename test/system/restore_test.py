# SPDX-License-Identifier: Apache-2.0
#
# `zraft restore`: a new group out of a file that `zraft backup` wrote. It has all that was in it and goes on from
# there; what is damaged is refused, and what cannot be finished leaves nothing.
import json
import unittest

import wait
from processes import GROUP, SystemTest


class Restore(SystemTest):
    def begin(self, nodes):
        """Starts them, and waits until they would take a group."""
        loaded = {node: node.log().count("is loaded") for node in nodes}
        for node in nodes:
            node.start()
        for node in nodes:
            wait.until(f"{node.name} is loaded", lambda node=node: node.log().count("is loaded") > loaded[node])

    def make_backup(self, count, *flags):
        """A group of that many, with 30 keys of some size, and a backup of it."""
        nodes = self.add_nodes(count)
        self.begin(nodes)
        self.expect(None, 0, "create", GROUP, *(node.peer for node in nodes), *flags)
        for number in range(30):
            self.expect("ok\n", 0, "put", f"key{number:02}", f"{number:02}" * 50_000)
        self.file = str(self.place / "kv.bak")
        self.expect(None, 0, "backup", GROUP, self.file)
        return nodes

    def restore(self, status, group, nodes, *flags):
        return self.expect(None, status, "restore", self.file, "--group", group, *(node.peer for node in nodes), *flags)

    def read(self, group):
        """All of it, by a linearizable scan; nothing, if there is no leader yet."""
        ran = self.zraft("scan", "", "--group", group, "--output", "json")
        return json.loads(ran.stdout)["items"] if ran.returncode == 0 else None

    def members(self, group):
        ran = self.zraft("members", group, "--output", "json")
        return json.loads(ran.stdout)["members"] if ran.returncode == 0 else []

    def wait_for_voters(self, group, count):
        """So many vote, and have all that the leader has."""
        def are_there():
            members = self.members(group)
            return (len(members) == count and all(member["member"] == "voter" for member in members)
                    and len({member["match"] for member in members}) == 1)
        wait.until(f"{count} members of {group} vote and have all", are_there)

    def groups(self):
        told = json.loads(self.expect(None, 0, "groups", "--output", "json").stdout)
        return [group["group"] for group in told["groups"]]

    def left_over(self, node):
        """The snapshots and machines of a node that has no group."""
        return [path for folder in ("snapshots", "machines") for path in (node.data / folder).glob("*")]

    def files(self, nodes):
        """All but the log's, which are made ahead."""
        return sorted(path for node in nodes for path in node.data.rglob("*") if "log" not in path.parts)

    def goes_on_elsewhere(self, backend):
        old = self.make_backup(2, "--backend", backend)
        wanted = wait.until("the group can be read", lambda: self.read(GROUP))
        self.assertEqual(len(wanted), 30)
        for node in old:
            node.kill()
        self.nodes.clear()
        nodes = self.add_nodes(3, "--shards", "4")
        for number, node in enumerate(nodes):
            node.name, node.data = f"m{number}", self.place / f"m{number}"
            node.peer = f"{node.name}@{node.address}"
            node.log_path = self.place / f"m{number}.log"
        self.begin(nodes)
        made = json.loads(self.restore(0, "copy", nodes, "--output", "json").stdout)
        self.assertEqual((made["group"], made["applied"], made["backup"]["backend"]), ("copy", True, backend))
        self.assertNotEqual(made["group_id"], made["backup"]["group_id"])
        self.assertEqual(wait.until("the copy can be read", lambda: self.read("copy")), wanted)
        self.wait_for_voters("copy", 3)
        self.expect("ok\n", 0, "put", "--group", "copy", "new", "value")
        # Every member has what it needs: any two go on, and all do after a restart.
        nodes[0].kill()
        wait.until("the others go on", lambda: self.zraft("put", "--group", "copy", "newer", "value").returncode == 0)
        for node in nodes[1:]:
            node.kill()
        for node in nodes:
            node.start()
        after = wait.until("the copy can be read again", lambda: self.read("copy"))
        self.assertEqual(after[:30], wanted)
        self.assertEqual([item["key"] for item in after[30:]], ["new", "newer"])

    def test_a_group_goes_on_in_other_nodes(self):
        self.goes_on_elsewhere("memory")

    def test_a_group_of_rocksdb_goes_on_in_other_nodes(self):
        self.goes_on_elsewhere("rocksdb")

    def test_it_stands_beside_the_old_group(self):
        nodes = self.make_backup(3)
        self.expect("ok\n", 0, "put", "after", "the backup")
        self.assertIn("copy", self.restore(0, "copy", nodes).stdout)
        copied = wait.until("the copy can be read", lambda: self.read("copy"))
        self.assertEqual(len(copied), 30)
        self.wait_for_voters("copy", 3)
        self.expect("ok\n", 0, "put", "--group", "copy", "key00", "other")
        self.expect("the backup\n", 0, "get", "after")
        self.expect("00" * 50_000 + "\n", 0, "get", "key00")
        # A name that exists, here the one that it had.
        self.assertIn("already has", self.restore(5, GROUP, nodes).stderr)
        self.assertIn("already has", self.restore(5, "copy", nodes[:1]).stderr)
        self.assertEqual(self.groups(), ["copy", GROUP])
        # It is destroyed like any other.
        self.expect(None, 0, "destroy", "copy")
        self.assertEqual(self.groups(), [GROUP])
        self.restore(0, "copy", nodes[1:])
        self.wait_for_voters("copy", 2)

    def test_a_dry_run_changes_nothing(self):
        nodes = self.make_backup(1)
        nodes += self.add_nodes(1)
        self.begin(nodes[1:])
        before = self.files(nodes)
        seen = json.loads(self.restore(0, "copy", nodes, "--dry-run", "--output", "json").stdout)
        self.assertEqual((seen["group"], seen["applied"], seen["group_id"]), ("copy", False, None))
        self.assertEqual(seen["backup"]["group"], GROUP)
        self.assertEqual([peer["problem"] for peer in seen["peers"]], [None, None])
        self.assertIn("Nothing was changed", self.restore(0, "copy", nodes, "--dry-run").stdout)
        taken = self.restore(5, GROUP, nodes, "--dry-run")
        self.assertIn("already has", taken.stderr)
        nodes[1].kill()
        self.assertIn(nodes[1].peer, self.restore(3, "copy", nodes, "--dry-run").stderr)
        self.restore(3, "copy", nodes, "--timeout", "1")
        self.assertEqual(self.groups(), [GROUP])
        self.assertEqual(self.files(nodes), before)

    def test_a_damaged_file_is_refused_and_nothing_is_left(self):
        nodes = self.make_backup(1)
        self.expect(None, 0, "destroy", GROUP)
        path = self.place / "kv.bak"
        whole = path.read_bytes()
        for content, words in ((whole[:-1] + bytes([whole[-1] ^ 1]), "checksum"), (whole[:-10], "cut short"),
                               (whole[:12], "cut short"), (whole + b"x", "behind the end"), (b"x" * 100, "no backup")):
            path.write_bytes(content)
            for flags in ((), ("--dry-run",)):
                refused = self.restore(6, "copy", nodes, *flags)
                self.assertIn(words, refused.stderr)
                self.assertIn("Nothing was done", refused.stderr)
        self.assertEqual(self.groups(), [])
        path.unlink()
        self.assertIn("no such file", self.restore(5, "copy", nodes).stderr)
        wait.until("nothing is left", lambda: not self.left_over(nodes[0]))
        path.write_bytes(whole)
        self.restore(0, "copy", nodes)
        self.assertEqual(len(wait.until("it can be read", lambda: self.read("copy"))), 30)

    def begin_slowly(self, nodes):
        """A restoration that goes on until it is ended, and whose first bytes have come."""
        peers = [node.peer for node in nodes]
        slow = self.begin_zraft("restore", self.file, "--group", "copy", *peers, "--rate", "100000")
        self.addCleanup(slow.kill)
        wait.until("it has begun", lambda: any((nodes[0].data / "snapshots").glob("*/part-*/meta")))
        return slow

    def test_a_command_that_ends_leaves_nothing(self):
        nodes = self.make_backup(1)
        nodes += self.add_nodes(1)
        self.begin(nodes[1:])
        self.expect(None, 0, "destroy", GROUP)
        slow = self.begin_slowly(nodes)
        self.assertIn("just starting", self.restore(5, "copy", nodes, "--timeout", "0.5").stderr)
        slow.terminate()
        slow.communicate(timeout=wait.PATIENCE)
        wait.until("nothing is left", lambda: not self.left_over(nodes[0]) and not self.left_over(nodes[1]))
        self.restore(0, "copy", nodes)
        self.wait_for_voters("copy", 2)

    def test_a_node_that_is_killed_comes_up_clean(self):
        nodes = self.make_backup(1)
        nodes += self.add_nodes(1)
        self.begin(nodes[1:])
        self.expect(None, 0, "destroy", GROUP)
        slow = self.begin_slowly(nodes)
        nodes[0].kill()
        output, _ = slow.communicate(timeout=wait.PATIENCE)
        self.assertEqual(slow.returncode, 3, output)
        self.assertIn(nodes[0].peer, output)
        self.begin(nodes[:1])
        wait.until("nothing is left", lambda: not self.left_over(nodes[0]) and not self.left_over(nodes[1]))
        self.restore(0, "copy", nodes)
        self.wait_for_voters("copy", 2)
        nodes[0].kill()
        self.begin(nodes[:1])
        self.assertEqual(len(wait.until("it can be read", lambda: self.read("copy"))), 30)


if __name__ == "__main__":
    unittest.main()
