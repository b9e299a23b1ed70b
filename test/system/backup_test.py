# SPDX-License-Identifier: Apache-2.0
#
# `zraft backup` of a group that runs: one file with all that was written, from whatever member gives it. What cannot
# be finished leaves nothing.
import json
import time
import unittest

from processes import GROUP, SystemTest


class Backup(SystemTest):
    def names(self):
        return sorted(path.name for path in self.place.iterdir() if "bak" in path.name)

    def test_a_running_group_is_one_file(self):
        nodes = self.start_group(3, "--shards", "2")
        for number in range(20):
            self.expect("ok\n", 0, "put", f"key{number}", "value" * 1000)
        file = str(self.place / "kv.bak")
        made = json.loads(self.expect(None, 0, "backup", GROUP, file, "--output", "json").stdout)
        self.assertEqual((made["group"], made["backend"]), (GROUP, "memory"))
        self.assertGreaterEqual(made["index"], 21)
        self.assertGreater(made["state_bytes"], 100_000)
        self.assertLess(made["bytes"], made["state_bytes"] / 5, "it is compressed")
        self.assertEqual(self.names(), ["kv.bak"])

        seen = json.loads(self.expect(None, 0, "backup", "inspect", file, "--output", "json").stdout)
        self.assertEqual({**seen, "peer": made["peer"]}, made)
        self.assertIn(GROUP, self.expect(None, 0, "backup", "inspect", file).stdout)
        self.assertIn("there already", self.expect(None, 5, "backup", GROUP, file).stderr)

        # Members that are gone are passed over.
        nodes[0].kill()
        other = str(self.place / "other.bak")
        self.expect(None, 0, "backup", GROUP, other)
        self.expect(None, 0, "backup", "inspect", other)
        for node in nodes:
            node.kill()
        self.expect(None, 3, "backup", GROUP, str(self.place / "third.bak"))
        self.assertEqual(self.names(), ["kv.bak", "other.bak"])

    def test_a_damaged_file_is_named(self):
        self.start_group(1)
        self.expect("ok\n", 0, "put", "key", "value")
        path = self.place / "kv.bak"
        self.expect(None, 0, "backup", GROUP, str(path))
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        self.assertIn("checksum", self.expect(None, 6, "backup", "inspect", str(path)).stderr)
        self.expect(None, 5, "backup", "inspect", str(self.place / "none.bak"))
        self.expect(None, 5, "backup", GROUP, str(self.place / "none" / "kv.bak"))
        self.expect(None, 5, "backup", "other", str(self.place / "none.bak"))

    def test_it_is_no_faster_than_it_may_be(self):
        self.start_group(1)
        for number in range(25):
            self.expect("ok\n", 0, "put", f"key{number}", "x" * 100_000)
        begun = time.monotonic()
        made = json.loads(self.expect(None, 0, "backup", GROUP, str(self.place / "kv.bak"), "--rate", "1000000",
                                      "--output", "json").stdout)
        self.assertGreater(made["state_bytes"], 2_000_000)
        self.assertGreater(time.monotonic() - begun, 1)


if __name__ == "__main__":
    unittest.main()
