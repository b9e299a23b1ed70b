# SPDX-License-Identifier: Apache-2.0
#
# A file system of a few hundred kilobytes, to be filled. It is mounted in a namespace of its own, so nobody else sees
# it and nothing is left of it when its holder ends.
import os
import subprocess
import unittest


class SmallDisk:
    def __init__(self, directory, size):
        self.directory = directory
        directory.mkdir()
        is_root = os.geteuid() == 0
        script = 'mount -t tmpfs -o "size=$1" tmpfs "$0" && echo ready && exec cat'
        command = ["unshare", "--mount", *([] if is_root else ["--map-root-user"])]
        self.holder = subprocess.Popen([*command, "sh", "-c", script, str(directory), size], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            _, why = self.holder.communicate()
            raise unittest.SkipTest(f"this system does not let us mount a small disk: {why.strip()}")
        spaces = f"/proc/{self.holder.pid}/ns"
        # In front of a command: it runs where the disk is.
        self.wrapper = ["nsenter", f"--mount={spaces}/mnt"]
        if not is_root:
            self.wrapper += [f"--user={spaces}/user", "--preserve-credentials"]

    def grow(self, size):
        subprocess.run([*self.wrapper, "mount", "-o", f"remount,size={size}", str(self.directory)], check=True)

    def end(self):
        self.holder.communicate()
