"""Run a command that reaches nothing but this machine: `python tests/offline.py COMMAND...`

What asks anything of a network fails there, and the command with it. Where no namespace may be made,
as in some containers, that is said, and the command runs as it is.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

NEW_USER, NEW_NET = 0x10000000, 0x40000000  # of unshare(2)
SET_FLAGS, UP = 0x8914, 0x1  # of netdevice(7)
ELSEWHERE = ("192.0.2.1", 9)  # an address that nobody has (RFC 5737)


def cut() -> None:
    """Leave this process, and all that it starts, loopback alone.

    OSError where that may not be; the process can then be anything between: see `may_cut`.
    """
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_USER | NEW_NET):
        raise OSError(ctypes.get_errno(), "no namespace may be made here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh14x", b"lo", UP))


def cut_and_check() -> None:
    """`cut`, and there is loopback alone."""
    cut()
    assert len(Path("/proc/net/dev").read_text().splitlines()) == 3


def may_cut() -> bool:
    """Would `cut` work? A fork tries it: some systems allow a namespace and then nothing in it."""
    if not (child := os.fork()):
        try:
            cut()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def reaches_out() -> bool:
    """Is there a way to other machines? Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.connect(ELSEWHERE)
        except OSError:
            return False
    return True


if __name__ == "__main__":
    if may_cut():
        cut()
        if reaches_out():
            sys.exit("The network is still there.")
        print("Without a network:", *sys.argv[1:], flush=True)
    else:
        print(
            "No namespace may be made here. With whatever network there is:",
            *sys.argv[1:],
            flush=True,
        )
    os.execvp(sys.argv[1], sys.argv[1:])
