# SPDX-License-Identifier: Apache-2.0
#
# kill -9 on random members while clients write. Every write that was acknowledged must be there at the end, and must
# never be missed by a read on the way. A write whose outcome is unknown may be there or not.
#
#   ZRAFT_ROUNDS   how many rounds of killing (10)
#   ZRAFT_SEED     of the choice of victims; printed at the start
import os
import random
import unittest

import wait
from writers import WRITES_BETWEEN, WriterTest

ROUNDS = int(os.environ.get("ZRAFT_ROUNDS", "10"))
SEED = int(os.environ.get("ZRAFT_SEED", str(random.randrange(1_000_000))))


class Kill(WriterTest):
    def setUp(self):
        super().setUp()
        print(f"ZRAFT_SEED={SEED} ZRAFT_ROUNDS={ROUNDS}", flush=True)
        self.random = random.Random(SEED)

    def kill_some_and_start_them_again(self, number):
        victims = self.random.sample(self.nodes, self.random.choices([1, 2, 3], weights=[6, 2, 2])[0])
        names = ", ".join(node.name for node in victims)
        for node in victims:
            node.kill()
        if len(victims) == 1:
            self.wait_for_writes(f"without {names} in round {number}")
        for node in victims:
            node.start()
        self.wait_for_writes(f"after {names} came back in round {number}")

    def test_no_acknowledged_write_is_lost(self):
        self.start_group(3, "--max_segment_size", "64K", "--shards", "2")
        self.start_writers()
        for number in range(ROUNDS):
            self.kill_some_and_start_them_again(number)
        self.stop_writers()
        wait.until("all members have applied the same", self.all_applied_the_same)
        self.check_writes()


if __name__ == "__main__":
    unittest.main(verbosity=2)
