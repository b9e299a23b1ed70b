#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# What a lock protects, and who works under it. The resource is a file of lines `token holder outcome`; it refuses a
# token that is smaller than one it has seen, as everything that a lock protects has to. The holder works until it is
# refused, or for so many seconds.
#   holder.py FILE SECONDS
import fcntl
import os
import sys

import wait


def work(path, token, name):
    """True: the resource took it."""
    with open(path, "a+", encoding="ascii") as resource:
        fcntl.flock(resource, fcntl.LOCK_EX)
        resource.seek(0)
        seen = [int(line.split()[0]) for line in resource if line.endswith("accepted\n")]
        is_good = not seen or max(seen) <= token
        resource.write(f"{token} {name} {'accepted' if is_good else 'refused'}\n")
        return is_good


def main():
    token = int(os.environ["ZRAFT_TOKEN"])
    try:
        wait.until("it is refused", lambda: not work(sys.argv[1], token, os.getpid()), float(sys.argv[2]))
    except wait.TookTooLong:
        return 0
    return 9


if __name__ == "__main__":
    sys.exit(main())
