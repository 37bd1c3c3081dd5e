from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

from testing.paths import ROOT
from triton_embed.runtime import parent

PARENT = """
import subprocess, sys
from triton_embed.runtime.parent import ending_with_this_process
child = subprocess.Popen(ending_with_this_process(["sleep", "600"]))
print(child.pid, flush=True)
child.wait()
"""


def test_child_ends_with_a_killed_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        end = os.pidfd_open(int(killed.stdout.readline()))
        killed.kill()
    assert select.select([end], [], [], 60)[0]
    os.close(end)


def test_child_of_a_parent_that_has_already_ended_ends() -> None:
    # Process 1 is not the parent of this child.
    command = [sys.executable, parent.__file__, "1", "sleep", "600"]
    assert subprocess.run(command).returncode == -signal.SIGKILL


def test_child_has_the_process_id_and_the_environment_of_the_program() -> None:
    script = "import os; print(os.getpid(), os.environ['MARK'])"
    command = parent.ending_with_this_process([sys.executable, "-c", script])
    with subprocess.Popen(
        command, env={"MARK": "kept"}, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.communicate()[0].split() == [str(child.pid), "kept"]


def test_program_that_cannot_run_is_named() -> None:
    command = parent.ending_with_this_process(["/nowhere/program"])
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 127
    assert done.stderr == "cannot run /nowhere/program: No such file or directory\n"
