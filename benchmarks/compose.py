"""The fleet of docker-compose.fleet.yml, with images that are already built."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from testing.paths import ROOT
from testing.waiting import eventually

FILE = "docker-compose.fleet.yml"

HEALTHY_SECONDS = 300.0
"""Deadline in seconds until a container is healthy: Triton loads the models, and Docker checks the
health every ten seconds."""


@dataclass(frozen=True)
class Container:
    """A running container.

    Attributes:
        id: Its full id.
        service: Its service in the compose file.
        address: Its IP address, which this machine can reach.
        health: Docker's health status; empty for an image without a health check.
    """

    id: str
    service: str
    address: str
    health: str


class Fleet:
    """A compose project.

    Args:
        project: Its name.
        environment: The variables of the compose file.
    """

    def __init__(self, project: str, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment, "COMPOSE_FILE": FILE}
        self._environment["COMPOSE_PROJECT_NAME"] = self._project = project
        self._compose = _compose_command()

    def up(self) -> None:
        """Start the containers that do not run; leave the others as they are."""
        self._run(*self._compose, "up", "-d", "--no-recreate")

    def down(self) -> None:
        """Remove all containers."""
        self._run(*self._compose, "down", "--volumes", "--remove-orphans", "--timeout", "20")

    def logs(self) -> str:
        """Return the last lines of each container's log."""
        return self._run(*self._compose, "logs", "--no-color", "--tail", "100")

    def count_in_log(self, container: Container, text: str) -> int:
        """Return the number of lines with `text` in the log of a container."""
        log = subprocess.run(["docker", "logs", container.id], capture_output=True, check=True)
        lines = (log.stdout + log.stderr).decode(errors="replace").splitlines()
        return sum(text in line for line in lines)

    def containers(self, service: str) -> list[Container]:
        """Return the running containers of a service, the oldest first."""
        filters = (f"project={self._project}", f"service={service}")
        flags = [f"--filter=label=com.docker.compose.{item}" for item in filters]
        if not (ids := self._run("docker", "ps", "-q", "--no-trunc", *flags).split()):
            return []
        found = json.loads(self._run("docker", "inspect", *ids))
        found.sort(key=lambda item: item["Created"])
        return [_container(item, service) for item in found]

    def wait_until_healthy(self, service: str, count: int) -> None:
        """Wait until `count` containers of a service are healthy.

        Raises:
            AssertionError: They are not, before the deadline.
        """

        def healthy() -> bool:
            containers = self.containers(service)
            return [item.health for item in containers] == ["healthy"] * count

        message = f"{count} healthy containers of {service}"
        eventually(healthy, message=message, deadline_seconds=HEALTHY_SECONDS)

    def remove(self, container: Container, *, kill: bool) -> None:
        """Kill a container, or stop it as an operator does, and remove it."""
        if kill:
            self._run("docker", "kill", container.id)
        else:
            self._run("docker", "stop", "--time", "40", container.id)
        self._run("docker", "rm", container.id)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} fails: {done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def running(
    project: str, environment: Mapping[str, str], counts: Mapping[str, int]
) -> Iterator[Fleet]:
    """Run the fleet while in the block, which is entered when the containers are healthy.

    Args:
        project: Name of the compose project.
        environment: The variables of the compose file.
        counts: Number of containers of each service that has a health check.
    """
    fleet = Fleet(project, environment)
    try:
        fleet.up()
        for service, count in counts.items():
            fleet.wait_until_healthy(service, count)
        yield fleet
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.down()


def _container(item: Mapping[str, Any], service: str) -> Container:
    (network,) = item["NetworkSettings"]["Networks"].values()
    health = item["State"].get("Health", {}).get("Status", "")
    return Container(item["Id"], service, network["IPAddress"], health)


def _compose_command() -> Sequence[str]:
    """Return the command of compose.

    Raises:
        SystemExit: There is none.
    """
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            subprocess.run([*command, "version"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    raise SystemExit("there is neither 'docker compose' nor 'docker-compose'; see docs/compose.md")
