#!/bin/sh
# One command for each way to run the keeper. Plain sh and POSIX tools only: dash, busybox and the old bash of macOS.
set -eu

PIP_WHEEL=requirements/pip-26.3-py3-none-any.whl
PIP_SHA256=f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13

usage() {
    cat <<'USAGE'
usage: ./deploy.sh COMMAND [ARGUMENT...]

  local   run the keeper: on a devnet of its own, or on your network once RPC_URL is
          set (environment, .env or --config FILE); arguments go to `keeper demo`
          or `keeper run`
  test    run every test that this machine can run; arguments go to pytest

  build [--image NAME]      build the container image: tags latest, version, git hash, time
  push --image NAME [--without-latest] [--allow-dirty]
                            push all tags of what was built last under that name
  docker [--devnet]         the staging system on this machine, by docker compose
  k8s OVERLAY [--tag TAG | --image NAME:TAG] [--allow-deletions] [--allow-dirty]
                            roll out: check, show what changes, apply, verify; back where
                            that fails
  verify [TARGET]           whether what runs does its work: it pushes, and sees it final
  status [TARGET]           what runs, and since when
  rollback TARGET [REVISION | SET]
                            back to all that was rolled out before, or to one of those
                            that status tells
  logs [TARGET]             follow the logs

OVERLAY is a folder of k8s/overlays; TARGET is an overlay or docker. Where none is named it
is production; k8s and rollback ask first, and --yes says so where nobody can be asked.
From build on, --dry-run tells what would be done, and does nothing.

Exit codes: 0 done, 1 failed (a program or file is missing, a build failed), 2 wrong usage,
3 the preflight has failed and nothing was changed, 4 the rollout has failed and what ran
before runs again, 5 it has failed or was interrupted, and what ran before is not back: look
at once, 6 what runs does not do its work.

Environment: ROLLOUT_TIMEOUT_S (600), PREFLIGHT_TIMEOUT_S (180), VERIFY_TIMEOUT_S (180),
ERRORS_ALLOWED (5 more than before), DEPLOYED_BY (who, for the record), KEEPER_IMAGE_NAME,
BASE_IMAGE, CONTAINER_TOOL (docker, podman or buildah).

Needs Python 3.11 or newer. The first run fills .venv from the lock files in requirements/.
File names in arguments are taken from the folder of this script.
USAGE
}

say() { printf 'deploy.sh: %s\n' "$*" >&2; }

# Ends with exit code $1, and says why.
end() {
    code=$1
    shift
    say "$*"
    exit "$code"
}

fail() { end 1 "$*"; }

wrong() { end 2 "$*"; }

# Sets $python to the first suitable interpreter on PATH.
find_python() {
    for python in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            return
        fi
    done
    found=$(python3 --version 2>&1) || found='no python3'
    fail "needs Python 3.11 or newer with its venv module, found $found;" \
        "install it (Debian: apt-get install python3, macOS: brew install python3)"
}

# What .venv/installed begins with: an environment cannot be moved, and a new pip starts a new one.
origin() { printf '%s, %s\n' "$PWD" "$PIP_WHEEL"; }

# .venv was made here and filled to the end, and its Python still works.
venv_is_sound() {
    [ "$(head -n 1 .venv/installed 2>/dev/null)" = "$(origin)" ] &&
        .venv/bin/python -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null
}

# Debian's python3 comes without ensurepip, so pip always comes from the wheel in this repository.
make_venv() {
    find_python
    say "making .venv with $("$python" --version)"
    rm -rf .venv # of a link the link alone: what it leads to may be somebody else's
    "$python" -m venv --without-pip .venv
    .venv/bin/python - "$PIP_WHEEL" "$PIP_SHA256" <<'CHECK' || fail "$PIP_WHEEL is damaged; restore it: git checkout $PIP_WHEEL"
import hashlib, pathlib, sys
sys.exit(hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest() != sys.argv[2])
CHECK
    .venv/bin/python "$PIP_WHEEL/pip" install --quiet --no-index --no-deps "$PIP_WHEEL"
}

pip_install() { .venv/bin/python -m pip install --disable-pip-version-check --no-input --no-deps "$@"; }

pip_install_lock() { pip_install --require-hashes --only-binary :all: --requirement "$@"; }

# What .venv/installed holds after `install $1`.
stamp() {
    origin
    cat "requirements/$1.txt" pyproject.toml
}

is_installed() { stamp "$1" | cmp -s - .venv/installed; }

# Fills .venv from requirements/$1.txt; the dev lock holds all of the runtime lock.
install() {
    venv_is_sound || make_venv
    if is_installed "$1" || is_installed dev; then
        return
    fi
    say "installing requirements/$1.txt (the first time takes about a minute)"
    rm -f .venv/installed
    pip_install_lock "requirements/$1.txt" --quiet
    pip_install --quiet --no-index --no-build-isolation --editable .
    stamp "$1" >.venv/installed.part
    mv .venv/installed.part .venv/installed
}

# With a configuration of its own the keeper runs for real; a file given by --config may hold RPC_URL as well.
network_is_configured() {
    [ -z "${RPC_URL:-}" ] || return 0
    for argument; do
        case $argument in --config | --config=*) return 0 ;; esac
    done
    grep -Eiqs '^[[:space:]]*(export[[:space:]]+)?RPC_URL[[:space:]]*=[[:space:]]*["'\'']?[^[:space:]#"'\'']' .env
}

run_local() {
    command=demo
    if network_is_configured "$@"; then
        command=run
    fi
    install runtime
    exec .venv/bin/keeper "$command" "$@"
}

run_tests() {
    install dev
    .venv/bin/python -m tests.support.prefetch
    exec .venv/bin/python -m pytest --cov --cov-report=term-missing:skip-covered "$@"
}

# Loads parts of this script from deploy/.
load() {
    dry='' # not empty where nothing may be done but told
    export dry
    for part in common "$@"; do
        # shellcheck source=/dev/null
        . "./deploy/$part.sh"
    done
}

CDPATH='' cd -P -- "$(dirname -- "$0")"
command=${1:-}
[ "$#" -eq 0 ] || shift
case $command in
local) run_local "$@" ;;
test) run_tests "$@" ;;
build) load image && build_image "$@" ;;
push) load image && push_image "$@" ;;
docker) load compose && run_compose "$@" ;;
k8s) load cluster sets preflight verification kubernetes && roll_out "$@" ;;
verify) load cluster verification targets && verify_target "$@" ;;
status) load cluster sets targets && show_target "$@" ;;
rollback) load cluster sets verification targets && roll_back "$@" ;;
logs) load cluster targets && show_logs "$@" ;;
-h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
