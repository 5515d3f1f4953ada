"""`./deploy.sh build`, `push` and `docker` with a docker that only writes down what it is asked."""

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.scripted_program import ScriptedPrograms

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "registry.example.org/team/pyth-keeper"


@dataclass
class Project:
    folder: Path
    programs: ScriptedPrograms

    def deploy(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [self.folder / "deploy.sh", *arguments],
            env={"PATH": path, "HOME": str(self.folder)} | environ,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(REPOSITORY / "deploy", folder / "deploy")
    for name in ("deploy.sh", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder)
    programs = ScriptedPrograms(tmp_path / "bin")
    programs.provide("docker")
    return Project(folder, programs)


def test_builds_once_with_all_tags_and_pushes_just_those(project: Project) -> None:
    assert project.deploy("build", "--image", NAME).returncode == 0
    (built,) = project.programs.asked("docker build")
    tags = re.findall(rf"--tag {NAME}:(\S+)", built)
    assert tags[:3] == ["latest", "0.1.0", "unknown"]
    assert re.fullmatch(r"\d{8}-\d{6}", tags[3])
    assert project.deploy("push", "--image", NAME).returncode == 0
    assert project.programs.asked("docker push") == [f"docker push {NAME}:{tag}" for tag in tags]


def test_tags_with_the_commit_and_says_where_there_is_more(project: Project) -> None:
    git: list[str | Path] = ["git", "-C", project.folder, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=one"], check=True)
    hashed = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
    assert f"--build-arg REVISION={hashed.stdout.strip()} " in project.deploy("build", "--dry-run").stdout
    (project.folder / "another-file").touch()
    assert f"--build-arg REVISION={hashed.stdout.strip()}-dirty " in project.deploy("build", "--dry-run").stdout


def test_builds_on_another_base_where_one_is_named(project: Project) -> None:
    project.deploy("build", BASE_IMAGE="python:3.13-slim")
    (built,) = project.programs.asked("docker build")
    assert "--build-arg BASE=python:3.13-slim" in built


def test_podman_will_do(project: Project) -> None:
    project.programs.provide("podman")
    assert project.deploy("build", CONTAINER_TOOL="podman").returncode == 0
    (built,) = project.programs.asked("podman build")
    assert "--format docker" in built


def test_pushes_nothing_before_it_was_built(project: Project) -> None:
    done = project.deploy("push", "--image", NAME)
    assert done.returncode == 1
    assert "nothing was built here yet" in done.stderr


def test_pushes_nowhere_without_a_registry(project: Project) -> None:
    project.deploy("build")
    done = project.deploy("push")
    assert done.returncode == 1
    assert "names no registry" in done.stderr


def test_a_failed_build_leaves_nothing_to_push(project: Project) -> None:
    project.programs.answer("docker build", code=1)
    assert project.deploy("build").returncode == 1
    assert "nothing was built here yet" in project.deploy("push", "--image", NAME).stderr


def test_docker_starts_all_and_verifies(project: Project) -> None:
    (project.folder / ".env").touch()
    done = project.deploy("docker")
    assert done.returncode == 0, done.stderr
    assert project.programs.asked() == [
        "docker compose up --detach --wait --build",
        "docker compose exec -T keeper keeper verify --pid 1",
    ]


def test_docker_makes_a_password_once_that_no_other_user_reaches(project: Project) -> None:
    (project.folder / ".env").touch()
    project.deploy("docker")
    password = project.folder / "secrets" / "postgres_password"
    made = password.read_text()
    assert len(made) >= 24
    assert stat.S_IMODE(password.parent.stat().st_mode) == 0o700
    project.deploy("docker")
    assert password.read_text() == made


def test_docker_fails_where_the_keeper_does_not_do_its_work(project: Project) -> None:
    (project.folder / ".env").touch()
    project.programs.answer("keeper verify", code=1)
    done = project.deploy("docker")
    assert done.returncode == 1
    assert "docker compose logs keeper" in done.stderr


def test_docker_needs_settings_unless_it_is_a_devnet(project: Project) -> None:
    assert "there is no .env" in project.deploy("docker").stderr
    assert project.deploy("docker", "--devnet").returncode == 0
    assert project.programs.asked("compose --env-file config/devnet/devnet.env up")


@pytest.mark.parametrize("arguments", [("build",), ("push", "--image", NAME), ("docker",), ("docker", "--devnet")])
def test_a_dry_run_does_nothing(project: Project, arguments: tuple[str, ...]) -> None:
    done = project.deploy(*arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("+ ")
    assert not project.programs.asked()
    assert not (project.folder / ".deploy").exists()
    assert not (project.folder / "secrets").exists()


def test_an_unknown_option_is_told(project: Project) -> None:
    done = project.deploy("build", "--fast")
    assert done.returncode == 1
    assert "does not know --fast" in done.stderr
