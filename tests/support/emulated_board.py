"""Serves an arm64 root over ssh, run by qemu-user.

`python emulated_board.py ROOT CPUINFO CONFIG PORT`, for as long as it is not ended.

Everything is in namespaces of its own: the binary format that starts qemu (Linux 6.7 or newer has
one for each user namespace), the mounts, and a network without a way out. Only the socket that it
listens on was made before. Nothing of the machine is changed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys

_NEWNS, _NEWUSER, _NEWNET = 0x20000, 0x10000000, 0x40000000
# An ELF file for 64-bit little-endian Arm; as qemu's own qemu-binfmt-conf.sh has it.
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# LiteRT finds no Arm features, and dies, where these two are not as on a board.
_PREPARE = """
mount --make-rprivate /
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' "$3" > /proc/sys/fs/binfmt_misc/register
mount --bind "$1" /mnt
mount --rbind /proc /mnt/proc
mount --rbind /dev /mnt/dev
mount --rbind /sys /mnt/sys
mount --bind "$2" /mnt/proc/cpuinfo
mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp
mount -t tmpfs -o mode=700 tmpfs /mnt/root
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
"""


def _enter() -> None:
    """This process goes into namespaces of its own, as their root; a helper outside maps users."""
    libc = ctypes.CDLL(None, use_errno=True)
    here, there = os.pipe()
    done_here, done_there = os.pipe()
    process = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.read(here, 1)
        for kind in ("uid_map", "gid_map"):
            with open(f"/proc/{process}/{kind}", "w") as file:
                file.write("0 0 65536\n")
        os.write(done_there, b"x")
        os._exit(0)
    if libc.unshare(_NEWUSER | _NEWNS | _NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(there, b"x")
    os.read(done_here, 1)
    os.waitpid(helper, 0)
    os.setgid(0)
    os.setuid(0)


def main() -> None:
    root, cpuinfo, config, port = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", int(port)))
    _enter()
    qemu = f":cnnedge-aarch64:M::{_MAGIC}:{_MASK}:/usr/bin/qemu-aarch64-static:FP"
    subprocess.run(["sh", "-ec", _PREPARE, "sh", root, cpuinfo, qemu], check=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        client, _address = listener.accept()
        with client:
            end = client.fileno()
            subprocess.Popen(["/usr/sbin/sshd", "-i", "-e", "-f", config], stdin=end, stdout=end)


if __name__ == "__main__":
    main()
