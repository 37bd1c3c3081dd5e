"""Script that runs a program whose shared memory stays private.

``python private_memory.py PROGRAM ARGUMENT...``

Triton creates its segments in ``/dev/shm`` with Boost.Interprocess, which makes them readable for
all users whatever the umask is: it calls ``fchmod`` on each new file (``priv_open_or_create`` in
https://github.com/boostorg/interprocess). A filter of system calls ignores that call. A container
has a ``/dev/shm`` of its own and does not need this.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Sequence

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
"""Operations of Linux's ``prctl``."""

SECCOMP_MODE_FILTER = 2

FCHMOD = {"x86_64": (0xC000003E, 91), "aarch64": (0xC00000B7, 52)}
"""Audit architecture and number of the system call ``fchmod``, by machine."""

ALLOW, SUCCEED = 0x7FFF0000, 0x00050000
"""Results of a filter: make the call, or return 0 (``errno`` 0) without making it."""


def ignore_fchmod() -> None:
    """Turn ``fchmod`` into a call without effect, for this process and its children.

    Does nothing if the kernel has no such filters: the segments are then readable by all users.
    """
    if platform.machine() not in FCHMOD:
        return
    architecture, number = FCHMOD[platform.machine()]
    program = [
        (0x20, 0, 0, 4),  # Load the architecture of the call,
        (0x15, 0, 2, architecture),  # and allow the call unless it is this one.
        (0x20, 0, 0, 0),  # Load the number of the call,
        (0x15, 1, 0, number),  # and skip the next instruction if it is fchmod.
        (0x06, 0, 0, ALLOW),
        (0x06, 0, 0, SUCCEED),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), header)


def with_private_memory(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` under the filter, with the same process id."""
    return [sys.executable, "-IS", __file__, *command]


if __name__ == "__main__":
    os.umask(0o077)
    ignore_fchmod()
    os.execvp(sys.argv[1], sys.argv[1:])
