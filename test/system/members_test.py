# SPDX-License-Identifier: Apache-2.0
#
# Members come and go under load: a group grows from one to five, all five are replaced one by one, and it shrinks to
# three, while clients write. In some of the changes the leader is killed with kill -9 while the change is under way;
# the operator then asks again, as he would, until the members are as he wants them.
#
#   ZRAFT_SEED     of the choice of the changes in which the leader dies; printed at the start
import json
import os
import random
import unittest

import wait
from processes import GROUP
from writers import WriterTest

SEED = int(os.environ.get("ZRAFT_SEED", str(random.randrange(1_000_000))))


class Members(WriterTest):
    def setUp(self):
        super().setUp()
        print(f"ZRAFT_SEED={SEED}", flush=True)
        self.random = random.Random(SEED)
        self.members = []

    def voters(self):
        """By the leader: the names of the voters, or None when there is none to ask or a change is under way."""
        ran = self.zraft("--output", "json", "members", GROUP, timeout=2)
        if ran.returncode != 0:
            return None
        rows = json.loads(ran.stdout)["members"]
        if any(row["member"] != "voter" for row in rows):
            return None
        return sorted(row["peer"].split("@")[0] for row in rows)

    def change(self, wanted, *command):
        """Asks for it until the voters are those; in one of three changes the leader is killed meanwhile."""
        names = sorted(node.name for node in wanted)
        victim = self.leader() if self.random.random() < 0.34 else None
        asked = self.begin_zraft(*command)
        if victim is not None:
            victim.kill()
        asked.communicate(timeout=wait.PATIENCE)
        if victim is not None:
            victim.start()

        def is_done():
            if self.voters() == names:
                return True
            self.zraft(*command, timeout=5)
            return False

        wait.until(f"zraft {' '.join(command)} is done", is_done)
        self.members = list(wanted)
        self.wait_for_writes(f"after {command[0]}")

    def test_a_group_grows_is_replaced_and_shrinks_under_load(self):
        first, = self.start_group(1)
        self.members = [first]
        self.start_writers()
        for node in self.add_nodes(4):
            node.start()
            self.change([*self.members, node], "add", GROUP, node.peer)
        for old in list(self.members):
            new, = self.add_nodes(1)
            new.start()
            rest = [node for node in self.members if node is not old]
            self.change([*rest, new], "replace", GROUP, old.peer, new.peer)
            old.kill()
        for old in self.random.sample(self.members, 2):
            self.change([node for node in self.members if node is not old], "remove", GROUP, old.peer)
        self.stop_writers()
        self.check_writes()

    def test_several_members_are_exchanged_at_once(self):
        nodes = self.start_group(3)
        self.start_writers()
        new = self.add_nodes(3)
        for node in new:
            node.start()
        self.members = list(nodes)
        self.change(new, "set-members", GROUP, "--old", ",".join(node.peer for node in nodes),
                    "--new", ",".join(node.peer for node in new))
        for node in nodes:
            node.kill()
        self.wait_for_writes("without any of the first members")
        self.stop_writers()
        self.check_writes()


if __name__ == "__main__":
    unittest.main(verbosity=2)
