# shellcheck shell=sh
# What the parts of deploy.sh have in common.

# Runs a command, or tells it.
run() {
    if [ -n "$dry" ]; then
        printf '+ %s\n' "$*"
    else
        "$@"
    fi
}

need() { [ -n "$dry" ] || command -v "$1" >/dev/null || fail "needs $1, which is not on PATH"; }

# What of the source is rolled out: a hash, and whether there are changes that it does not know.
revision_of_source() {
    hash=$(git rev-parse --short=12 HEAD 2>/dev/null) || hash=unknown
    [ -z "$(git status --porcelain 2>/dev/null)" ] || hash=$hash-dirty
    printf '%s\n' "$hash"
}

# Names of images and tags go into files and commands as they are.
checked() {
    case $2 in
    '' | *[!A-Za-z0-9._:/@-]*) fail "$1 '$2' is none: letters, digits and . _ : / @ - are fine" ;;
    esac
    printf '%s\n' "$2"
}
