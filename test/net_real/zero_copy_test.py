#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# zero_copy_test.py net_real_tests: runs the test that sends a large file, under strace, and looks at what the kernel
# was asked for: all of the file's bytes went by sendfile, and hardly any by a call that takes or gives memory.
# Exit code 77: strace is not there or may not trace here.
import os
import re
import shutil
import subprocess
import sys
import tempfile

TEST = "SendFile.GoesFromTheFileToTheSocketAndNotThroughMemory"
FILE_BYTES = 8 << 20
MEMORY_BYTES_MAX = 1 << 20
THROUGH_MEMORY = ["sendmsg", "sendto", "write", "writev", "pwrite64", "pwritev", "read", "readv", "pread64", "preadv"]
CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed).* = (\d+)")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def main():
    if shutil.which("strace") is None:
        skip("there is no strace: tools/install_deps.sh test installs it")
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode != 0:
        skip("strace may not trace here (no ptrace in this container?)")
    with tempfile.TemporaryDirectory() as directory:
        trace = os.path.join(directory, "trace")
        command = ["strace", "-f", "-o", trace, "-e", "trace=sendfile," + ",".join(THROUGH_MEMORY), sys.argv[1],
                   f"--gtest_filter={TEST}"]
        # The leak checker traces the process itself, and two cannot.
        environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"}
        run = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert run.returncode == 0 and "[  PASSED  ] 1 test." in run.stdout, run.stdout + run.stderr
        bytes_of = {}
        with open(trace, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if found := CALL.match(line):
                    bytes_of[found.group(1)] = bytes_of.get(found.group(1), 0) + int(found.group(2))
    through_memory = sum(bytes_of.get(call, 0) for call in THROUGH_MEMORY)
    print(f"{FILE_BYTES} bytes of a file: {bytes_of}")
    assert bytes_of.get("sendfile") == FILE_BYTES, "the file did not go by sendfile alone"
    assert through_memory < MEMORY_BYTES_MAX, "more went through memory than heads, the program and its output"


if __name__ == "__main__":
    main()
