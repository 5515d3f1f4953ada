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
GOOD_ENV = """
# A comment
RPC_URL=https://rpc.example.org # the nodes
export PRIVATE_KEY_FILE='secrets/private_key'
GRAFANA_PASSWORD="correct horse"
"""


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

    def commit(self) -> str:
        """Make it a repository; returns the commit's hash."""
        git: list[str | Path] = ["git", "-C", self.folder, "-c", "user.name=test", "-c", "user.email=test@example.org"]
        for step in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=one"]):
            subprocess.run([*git, *step], check=True)
        hashed = [*git, "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(hashed, capture_output=True, text=True, check=True).stdout.strip()

    def configure(self, env: str = GOOD_ENV, *, key: str = "1" * 64) -> None:
        """Settings for compose, and the key that they name."""
        (self.folder / ".env").write_text(env)
        (self.folder / "secrets").mkdir(mode=0o700)
        (self.folder / "secrets" / "private_key").write_text(key)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(REPOSITORY / "deploy", folder / "deploy")
    for name in ("deploy.sh", "pyproject.toml", ".gitignore"):
        shutil.copy(REPOSITORY / name, folder)
    programs = ScriptedPrograms(tmp_path / "bin")
    programs.provide("docker")
    return Project(folder, programs)


def test_builds_once_with_all_tags_and_pushes_just_those(project: Project) -> None:
    hashed = project.commit()
    assert project.deploy("build", "--image", NAME).returncode == 0
    (built,) = project.programs.asked("docker build")
    tags = re.findall(rf"--tag {NAME}:(\S+)", built)
    assert tags[:3] == ["latest", "0.1.0", hashed]
    assert re.fullmatch(r"\d{8}-\d{6}", tags[3])
    assert project.deploy("push", "--image", NAME).returncode == 0
    assert project.programs.asked("docker push") == [f"docker push {NAME}:{tag}" for tag in tags]


def test_latest_may_be_left_where_it_is(project: Project) -> None:
    hashed = project.commit()
    project.deploy("build", "--image", NAME)
    assert project.deploy("push", "--image", NAME, "--without-latest").returncode == 0
    assert [line.rpartition(":")[2] for line in project.programs.asked("docker push")][:2] == ["0.1.0", hashed]
    assert not project.programs.asked(f"docker push {NAME}:latest")


def test_tags_with_the_commit_and_says_where_there_is_more(project: Project) -> None:
    hashed = project.commit()
    assert f"--build-arg REVISION={hashed} " in project.deploy("build", "--dry-run").stdout
    (project.folder / "another-file").touch()
    assert f"--build-arg REVISION={hashed}-dirty " in project.deploy("build", "--dry-run").stdout


def test_pushes_what_a_commit_knows_and_more_only_where_that_is_allowed(project: Project) -> None:
    hashed = project.commit()
    project.deploy("build", "--image", NAME)
    (project.folder / "another-file").touch()
    done = project.deploy("push", "--image", NAME)
    assert done.returncode == 2
    assert "this folder holds changes that no commit knows" in done.stderr
    project.deploy("build", "--image", NAME)
    (project.folder / "another-file").unlink()
    done = project.deploy("push", "--image", NAME)
    assert done.returncode == 2
    assert f"the image {NAME}:{hashed}-dirty holds changes" in done.stderr
    assert not project.programs.asked("docker push")
    assert project.deploy("push", "--image", NAME, "--allow-dirty").returncode == 0
    assert f"docker push {NAME}:{hashed}-dirty" in project.programs.asked("docker push")


def test_builds_on_another_base_where_one_is_named(project: Project) -> None:
    project.deploy("build", BASE_IMAGE="python:3.13-slim")
    (built,) = project.programs.asked("docker build")
    assert "--build-arg BASE=python:3.13-slim" in built


@pytest.mark.parametrize("tool", ["podman", "buildah"])
def test_podman_and_buildah_will_do(project: Project, tool: str) -> None:
    project.programs.provide(tool)
    project.commit()
    assert project.deploy("build", "--image", NAME, CONTAINER_TOOL=tool).returncode == 0
    (built,) = project.programs.asked(f"{tool} build")
    assert "--format docker" in built, "the only one with a health check"
    assert project.deploy("push", "--image", NAME, CONTAINER_TOOL=tool).returncode == 0
    assert len(project.programs.asked(f"{tool} push")) == 4


def test_no_other_tool_stands_in_for_the_one_that_is_named(project: Project) -> None:
    done = project.deploy("build", CONTAINER_TOOL="no-such-tool")
    assert done.returncode == 1
    assert "needs no-such-tool, which is not on PATH" in done.stderr


def test_pushes_nothing_before_it_was_built(project: Project) -> None:
    done = project.deploy("push", "--image", NAME)
    assert done.returncode == 1
    assert "nothing was built here yet" in done.stderr


def test_pushes_only_what_was_built_last_under_that_name(project: Project) -> None:
    project.commit()
    assert project.deploy("build", "--image", "registry.example.org:5000/keeper").returncode == 0
    done = project.deploy("push", "--image", NAME)
    assert done.returncode == 2
    assert "what was built last is registry.example.org:5000/keeper" in done.stderr
    assert not project.programs.asked("docker push")
    assert project.deploy("push", "--image", "registry.example.org:5000/keeper").returncode == 0


def test_pushes_what_no_commit_is_told_of_only_where_that_is_allowed(project: Project) -> None:
    project.deploy("build", "--image", NAME)
    done = project.deploy("push", "--image", NAME)
    assert done.returncode == 2
    assert "git tells no commit of this folder" in done.stderr
    assert project.deploy("push", "--image", NAME, "--allow-dirty").returncode == 0


def test_pushes_nowhere_without_a_registry(project: Project) -> None:
    project.deploy("build")
    done = project.deploy("push")
    assert done.returncode == 2
    assert "names no registry" in done.stderr


def test_a_failed_build_leaves_nothing_to_push(project: Project) -> None:
    project.deploy("build", "--image", NAME)
    project.programs.answer("docker build", code=1)
    assert project.deploy("build").returncode == 1
    assert "nothing was built here yet" in project.deploy("push", "--image", NAME).stderr


def test_docker_starts_all_and_verifies(project: Project) -> None:
    project.configure()
    done = project.deploy("docker")
    assert done.returncode == 0, done.stderr
    assert project.programs.asked() == [
        "docker compose up --detach --wait --build",
        "docker compose exec -T keeper keeper verify --pid 1",
    ]


def test_docker_makes_a_password_once_that_no_other_user_reaches(project: Project) -> None:
    project.configure()
    project.deploy("docker")
    password = project.folder / "secrets" / "postgres_password"
    made = password.read_text()
    assert len(made) >= 24
    assert stat.S_IMODE(password.parent.stat().st_mode) == 0o700
    assert project.deploy("docker").returncode == 0
    assert password.read_text() == made


def test_docker_fails_where_the_keeper_does_not_do_its_work(project: Project) -> None:
    project.configure()
    project.programs.answer("keeper verify", code=1)
    done = project.deploy("docker")
    assert done.returncode == 6
    assert "docker compose logs keeper" in done.stderr


def test_docker_needs_settings_unless_it_is_a_devnet(project: Project) -> None:
    assert "there is no .env" in project.deploy("docker").stderr
    assert project.deploy("docker", "--devnet").returncode == 0
    assert project.programs.asked("compose --env-file config/devnet/devnet.env up")


def test_docker_tells_all_that_is_missing_in_env_and_starts_nothing(project: Project) -> None:
    (project.folder / ".env").write_text("RPC_URL=\n#GRAFANA_PASSWORD=one\nPRIVATE_KEY_FILE=secrets/no-such-file\n")
    done = project.deploy("docker")
    assert done.returncode == 3
    assert "RPC_URL is not set in .env" in done.stderr
    assert "GRAFANA_PASSWORD is not set in .env" in done.stderr
    assert "PRIVATE_KEY_FILE: there is no file secrets/no-such-file" in done.stderr
    assert not project.programs.asked()


@pytest.mark.parametrize(
    ("env", "key", "said"),
    [
        (GOOD_ENV + "GRAFANA_PASSWORD=choose-one\n", "1" * 64, "GRAFANA_PASSWORD in .env is a placeholder"),
        (GOOD_ENV + "GRAFANA_PASSWORD='<password>' # yours\n", "1" * 64, "GRAFANA_PASSWORD in .env is a placeholder"),
        (GOOD_ENV, "", "PRIVATE_KEY_FILE: the file secrets/private_key is empty"),
        (GOOD_ENV, "changeme", "PRIVATE_KEY_FILE: the file secrets/private_key holds a placeholder"),
        (GOOD_ENV + "POSTGRES_PASSWORD_FILE=gone\n", "1" * 64, "POSTGRES_PASSWORD_FILE: there is no file gone"),
    ],
)
def test_docker_takes_no_placeholder_for_a_secret(project: Project, env: str, key: str, said: str) -> None:
    project.configure(env, key=key)
    done = project.deploy("docker")
    assert done.returncode == 3
    assert said in done.stderr
    assert not project.programs.asked()


def test_the_environment_wins_over_env_as_it_does_in_compose(project: Project) -> None:
    project.configure(GOOD_ENV + "GRAFANA_PASSWORD=choose-one\n")
    assert project.deploy("docker", GRAFANA_PASSWORD="another").returncode == 0


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
    assert done.returncode == 2
    assert "does not know --fast" in done.stderr
