# SPDX-License-Identifier: Apache-2.0
#
# What goes wrong is told in words that name the thing and what to do, and nothing is lost or half done by it.
import random
import socket
import struct
import subprocess
import unittest

import wait
from processes import BIN, GROUP, SystemTest
from small_disk import SmallDisk


class Settings(SystemTest):
    def arguments(self, name="n1", port=0, data="n1"):
        return ["--name", name, "--listen", f"127.0.0.1:{port}", "--data", str(self.place / data)]

    def test_an_unknown_flag_is_named(self):
        self.assertIn("there is no flag --nme", self.refuses_to_start(2, *self.arguments(), "--nme", "x"))

    def test_an_unknown_key_of_the_file_is_named_with_its_line(self):
        path = self.place / "zraftd.toml"
        path.write_text('name = "n1"\nelection_timeuot = 300\n')
        self.assertIn(f'{path}:2: there is no setting "election_timeuot"',
                      self.refuses_to_start(2, "--config", str(path)))
        self.refuses_to_start(2, "--config", str(path), "--check-config")

    def test_what_print_config_prints_is_a_file_for_config(self):
        path = self.place / "zraftd.toml"
        command = [str(part) for part in self.arguments()]
        printed = self.run_zraftd(*command, "--value_bytes_max", "2K", "--print-config")
        path.write_text(printed)
        self.assertEqual(self.run_zraftd("--config", str(path), "--print-config"), printed)
        self.assertIn("the settings are well", self.run_zraftd("--config", str(path), "--check-config"))

    def run_zraftd(self, *arguments):
        return subprocess.run([str(BIN / "zraftd"), *arguments], check=True, capture_output=True, text=True).stdout


class Starting(SystemTest):
    def test_the_data_directory_of_another_node_is_refused_and_left_as_it_is(self):
        node, = self.start_group(1)
        self.expect(None, 0, "put", "key", "value")
        node.kill()
        said = self.refuses_to_start(1, "--name", "other", "--listen", node.address, "--data", str(node.data))
        self.assertIn(str(node.data), said)
        self.assertIn("belongs to the host 'n1', and this is 'other': start with that name, or name another", said)
        node.start()
        self.expect("value\n", 0, "get", "key")

    def test_a_data_directory_in_use_is_refused(self):
        node, = self.start_group(1)
        said = self.refuses_to_start(1, "--name", "n1", "--listen", "127.0.0.1:0", "--data", str(node.data))
        self.assertIn(f"{node.data}/lock is held by another process: end that one, or choose another", said)
        self.expect(None, 0, "put", "key", "value")

    def test_a_port_in_use_is_refused(self):
        node, = self.start_group(1)
        said = self.refuses_to_start(1, "--name", "n2", "--listen", node.address, "--data", str(self.place / "n2"))
        self.assertIn(f"cannot listen at {node.address}: Address already in use", said)

    def test_a_directory_that_is_no_data_of_zraft_is_refused(self):
        node, = self.start_group(1)
        node.kill()
        identity = node.data / "log" / "zraft.id"
        content = identity.read_bytes()
        identity.write_bytes(content.replace(b"format 1", b"format 7"))
        arguments = node.command()[1:]
        self.assertIn("zraft.id", self.refuses_to_start(1, *arguments))
        identity.unlink()
        self.assertIn("zraft.id", self.refuses_to_start(1, *arguments))
        identity.write_bytes(content)
        node.start()

    def test_a_log_that_lost_what_was_durable_is_refused(self):
        node, = self.start_group(1)
        for number in range(5):
            self.expect(None, 0, "put", f"key{number}", "value" * 100)
        self.assertEqual(node.stop(), 0)
        segment = sorted((node.data / "log").glob("wal-*"))[0]
        content = segment.read_bytes()
        at = content.index(b"valuevalue")
        segment.write_bytes(content[:at] + b"V" + content[at + 1:])
        said = self.refuses_to_start(1, *node.command()[1:])
        self.assertIn(segment.name, said)
        segment.write_bytes(content)
        node.start()
        self.expect("value" * 100 + "\n", 0, "get", "key4")


class Requests(SystemTest):
    def fails_with(self, words, *arguments):
        ran = self.zraft(*arguments)
        self.assertNotIn(ran.returncode, (0, 1), ran.stdout + ran.stderr)
        self.assertIn(words, ran.stderr)
        return ran.returncode

    def test_keys_and_values_beyond_the_limits_are_refused_and_not_written(self):
        self.start_group(3, "--key_bytes_max", "10", "--value_bytes_max", "20")
        self.expect(None, 0, "put", "k" * 10, "v" * 20)
        self.fails_with("key_bytes_max", "put", "k" * 11, "v")
        self.fails_with("value_bytes_max", "put", "key", "v" * 21)
        self.fails_with("value_bytes_max", "cas", "k" * 10, "v" * 20, "v" * 21)
        self.expect("1\n", 0, "count", "")

    def test_a_group_that_exists_is_not_created_again(self):
        nodes = self.start_group()
        self.expect(None, 0, "put", "key", "value")
        self.fails_with(GROUP, "create", GROUP, *(node.peer for node in nodes))
        self.expect("value\n", 0, "get", "key")

    def test_a_group_that_cannot_be_created_everywhere_is_created_nowhere(self):
        nodes = self.add_nodes(3)
        for node in nodes[:2]:
            node.start()
        self.fails_with(nodes[2].address, "create", GROUP, *(node.peer for node in nodes))
        nodes[2].start()
        self.expect(None, 0, "create", GROUP, *(node.peer for node in nodes))
        self.expect(None, 0, "put", "key", "value")

    def test_a_backend_or_a_group_that_is_not_there_is_named(self):
        node, = self.start_group(1)
        self.fails_with("nonsense", "create", "other", node.peer, "--backend", "nonsense")
        self.fails_with("elsewhere", "--group", "elsewhere", "put", "key", "value")

    def test_garbage_to_the_port_does_no_harm(self):
        node, = self.start_group(1)
        chance = random.Random(7)
        header = struct.pack("<HBBI", 0x465A, 1, 1, 0xFFFFFFFF)
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, header, header + b"\0" * 8,
                        *(chance.randbytes(chance.randrange(1, 5000)) for _ in range(50))):
            with socket.create_connection(("127.0.0.1", node.port)) as raw:
                raw.sendall(garbage)
                raw.shutdown(socket.SHUT_WR)
                raw.settimeout(wait.PATIENCE)
                try:
                    while raw.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.assertTrue(node.is_running())
        self.expect(None, 0, "put", "key", "value")
        self.assertIn("these are no frames of zraft", node.log())


class FullDisk(SystemTest):
    def test_a_node_that_has_no_room_for_its_first_file_says_so_and_starts_when_there_is(self):
        disk = SmallDisk(self.place / "small", "100k")
        self.addCleanup(disk.end)
        node, = self.add_nodes(1)
        node.data = disk.directory / "n1"
        node.wrapper = disk.wrapper
        self.refused_for_want_of_room(node)  # its port may be there for a moment before
        self.assertEqual(node.ended(), 1)
        self.assertIn("No space left on device", node.log().splitlines()[-1])
        disk.grow("100m")
        node.start()
        self.expect(None, 0, "create", GROUP, node.peer)
        self.expect(None, 0, "put", "key", "value")

    def test_a_node_whose_disk_is_full_ends_and_comes_back_when_there_is_room(self):
        disk = SmallDisk(self.place / "small", "512k")
        self.addCleanup(disk.end)
        nodes = self.add_nodes(3, "--max_segment_size", "64K")
        nodes[2].data = disk.directory / "n3"
        nodes[2].wrapper = disk.wrapper
        for node in nodes:
            node.start()
        self.expect(None, 0, "create", GROUP, *(node.peer for node in nodes))
        written = []

        def write_until_it_has_ended():
            key = f"key{len(written)}"
            if self.zraft("put", key, key * 3000).returncode == 0:  # if not: it was the leader
                written.append(key)
            return not nodes[2].is_running()

        wait.until("the small disk is full", write_until_it_has_ended)
        self.assertEqual(nodes[2].ended(), 1)
        self.assertIn("No space left on device", nodes[2].log().splitlines()[-1])
        self.expect(None, 0, "put", "two", "go on")
        said = self.refused_for_want_of_room(nodes[2])
        self.assertTrue(said is None or "No space left on device" in said, said)
        disk.grow("32m")
        if not nodes[2].is_running():
            nodes[2].start()
        wait.until("all members have applied the same", self.all_applied_the_same)
        for key in written:
            self.expect(key * 3000 + "\n", 0, "get", key)

    def refused_for_want_of_room(self, node):
        """Starts it on the full disk. It may refuse, or run until it has to write."""
        try:
            node.start()
        except AssertionError:
            return node.log().splitlines()[-1]
        return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
