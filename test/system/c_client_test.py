# SPDX-License-Identifier: Apache-2.0
#
# A program in C (test/c/c_client.c) against a group of three; and zraft_c.h by itself, as strict C99.
import os
import pathlib
import subprocess
import unittest

import wait
from processes import BIN, SystemTest, free_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]


class CClient(SystemTest):
    def test_a_program_in_c_has_what_the_header_promises(self):
        self.start_group()
        hosts = ",".join(node.address for node in self.nodes)
        ran = subprocess.run([str(BIN / "c_client"), hosts, f"127.0.0.1:{free_ports(1)[0]}"], capture_output=True,
                             stdin=subprocess.DEVNULL, text=True, timeout=2 * wait.PATIENCE)
        self.assertEqual((ran.returncode, ran.stdout), (0, "c_client: all is so\n"), ran.stderr)

    def test_the_header_is_c99(self):
        source = self.place / "alone.c"
        source.write_text('#include "zraft/c/zraft_c.h"\nint main(void) { return (int)zraft_text("").size; }\n')
        ran = subprocess.run([os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror",
                              "-fsyntax-only", f"-I{ROOT}", str(source)], capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
