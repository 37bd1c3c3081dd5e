"""Processes that end with their parent, even if the parent is killed.

Also a script that becomes another program, for programs that are not ours:
``python parent.py PARENT_PID PROGRAM ARGUMENT...``
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
"""Operation of Linux's ``prctl``: the signal that a process receives when its parent ends."""


def end_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its parent ends.

    The kernel treats the thread that started this process as the parent: start processes from the
    main thread. The setting survives ``exec``; children of this process do not inherit it.

    Args:
        parent: Process id of the parent. If it has ended already, this process ends now.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def ending_with_this_process(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` until this process ends.

    The process id stays the same: a Python interpreter sets the signal and then becomes the
    program. Python code between ``fork`` and ``exec`` could deadlock in a process with threads.
    """
    # -I and -S: the interpreter starts in 15 ms, and ignores variables meant for the program.
    return [sys.executable, "-IS", __file__, str(os.getpid()), *command]


def _run(parent: str, *command: str) -> int:
    end_with_parent(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
    return 127


if __name__ == "__main__":
    sys.exit(_run(*sys.argv[1:]))
