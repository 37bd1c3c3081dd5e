"""The release: distributions, notes and the workflow that publishes them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.paths import ROOT
from triton_embed import __version__

WORKFLOWS = ROOT / ".github" / "workflows"


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def release() -> dict[str, Any]:
    """The workflow. YAML 1.1 would read its key `on` as true."""
    text = (WORKFLOWS / "release.yml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text.replace("\non:", '\n"on":'))
    return loaded


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source distribution, built as by ``make dist``."""
    folder = tmp_path_factory.mktemp("dist")
    built = run("-m", "build", "--no-isolation", "--outdir", str(folder))
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def steps(release: dict[str, Any], job: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a job by the action that they use."""
    return {
        step["uses"].split("@")[0]: step for step in release["jobs"][job]["steps"] if "uses" in step
    }


def commands(release: dict[str, Any], job: str) -> str:
    return "\n".join(step["run"] for step in release["jobs"][job]["steps"] if "run" in step)


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_workflow_follows_the_schema_of_github(path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="needs Python 3.11")
    checked = run(
        "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)
    )
    assert checked.returncode == 0, checked.stdout


def test_release_starts_with_a_tag_of_a_version(release: dict[str, Any]) -> None:
    assert release["on"] == {"push": {"tags": ["v*"]}}


def test_release_builds_every_image_with_sbom_and_provenance(release: dict[str, Any]) -> None:
    images = release["jobs"]["images"]
    dockerfiles = {path.name.split(".")[0] for path in (ROOT / "docker").glob("*.Dockerfile")}
    assert set(images["strategy"]["matrix"]["image"]) == dockerfiles
    used = steps(release, "images")
    build = used["docker/build-push-action"]["with"]
    assert build["sbom"] is True
    assert build["provenance"] == "mode=max"
    assert used["actions/attest-build-provenance"]["with"]["push-to-registry"] is True


def test_release_publishes_the_chart_with_the_registry_of_its_images(
    release: dict[str, Any],
) -> None:
    job = release["jobs"]["chart"]
    assert "images" in job["needs"]
    assert job["env"]["REGISTRY"] == release["jobs"]["images"]["env"]["IMAGE"].rpartition("/")[0]
    values = (ROOT / "deploy" / "helm" / "triton-embed" / "values.yaml").read_text()
    assert values.count("\n  registry: triton-embed\n") == 1
    assert '"s|^  registry: triton-embed$|' in commands(release, "chart")


def test_release_attests_the_checked_distributions(release: dict[str, Any]) -> None:
    assert 'make dist TAG="$GITHUB_REF_NAME"' in commands(release, "dist")
    assert "cyclonedx-py requirements constraints.txt -o dist/" in commands(release, "dist")
    attested = steps(release, "dist")["actions/attest-build-provenance"]
    assert attested["with"]["subject-path"] == "dist/*"


def test_release_has_the_notes_of_the_changelog(release: dict[str, Any]) -> None:
    assert "tools/release_notes.py" in commands(release, "dist")
    assert "--notes-file notes.md" in commands(release, "release")


def test_only_the_jobs_that_publish_may_write(release: dict[str, Any]) -> None:
    assert release["permissions"] == {"contents": "read"}
    writers = {
        name for name, job in release["jobs"].items() if job["permissions"]["contents"] == "write"
    }
    assert writers == {"release"}


def test_notes_of_a_version_are_its_section(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "release_notes.py", tmp_path / "tools")
    changelog = (
        "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-01-02\n\n- New.\n\n## 1.1.0\n\n- Old.\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    printed = run("tools/release_notes.py", "1.2.0", cwd=tmp_path)
    assert printed.stdout == "- New.\n"
    missing = run("tools/release_notes.py", "1.3.0", cwd=tmp_path)
    assert missing.returncode == 1
    assert "rename '## Unreleased' to '## 1.3.0 - DATE'" in missing.stderr


def test_distributions_are_complete(dist: Path) -> None:
    checked = run("tools/check_dist.py", str(dist), f"v{__version__}")
    assert checked.stdout == f"triton-embed {__version__}: wheel and sources are complete\n"


def test_tag_of_another_version_is_rejected(dist: Path) -> None:
    checked = run("tools/check_dist.py", str(dist), "v99.0.0")
    assert checked.returncode == 1
    assert (
        f"the tag is v99.0.0, but triton_embed/__init__.py has version {__version__}"
        in checked.stderr
    )


def test_incomplete_wheel_is_reported(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    (source,) = dist.glob("*.tar.gz")
    shutil.copy(source, tmp_path)
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", tmp_path / wheel.name, "LICENSE"],
        cwd=ROOT,
        check=True,
    )
    checked = run("tools/check_dist.py", str(tmp_path))
    assert checked.returncode == 1
    assert "the wheel lacks triton_embed/cli.py" in checked.stderr
    assert "the wheel installs LICENSE" in checked.stderr
