# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# What the parts of deploy.sh have in common.

# Ends, each with an exit code of its own; deploy.sh holds those of all commands.
preflight_failed() { end 3 "$*"; }
went_back() { end 4 "$*"; }
not_rolled_back() { end 5 "$*"; }
not_working() { end 6 "$*"; }

# Runs a command, or tells it.
run() {
    if [ -n "$dry" ]; then
        printf '+ %s\n' "$*"
    else
        "$@"
    fi
}

need() { [ -n "$dry" ] || command -v "$1" >/dev/null || fail "needs $1, which is not on PATH"; }

# Ends at an option that no command takes; --help is one of every command.
unknown_option() {
    case $1 in
    -h | --help)
        usage
        exit
        ;;
    esac
    wrong "does not know ${1:-an empty argument}; ./deploy.sh --help tells what there is"
}

# Refuses word $2 where $1 says that there was one before, and an empty one, which a variable left that is not set.
one_word() {
    [ -n "$2" ] || wrong "an argument is empty"
    [ -z "$1" ] || wrong "one word too many: '$2' after '$1'"
}

wants() { [ -n "${2:-}" ] || wrong "$1 wants a value"; }

# What of the source is rolled out: a hash, and whether there are changes that it does not know.
revision_of_source() {
    hash=$(git rev-parse --short=12 HEAD 2>/dev/null) || hash=unknown
    [ -z "$(git status --porcelain 2>/dev/null)" ] || hash=$hash-dirty
    printf '%s\n' "$hash"
}

# What nobody could make again from a commit goes to no registry and no cluster unless it is meant.
refuse_dirty() {
    [ -z "$dry$allow_dirty" ] || return 0
    case $1 in
    unknown) wrong "git tells no commit of $2 (git log): make it from a clone with a commit, or give --allow-dirty" ;;
    *-dirty) wrong "$2 holds changes that no commit knows (git status); commit them, or give --allow-dirty" ;;
    esac
}

# Goes on only where somebody says so: the question is asked on a terminal, --yes answers it anywhere.
confirm() {
    [ -z "$dry$yes" ] || return 0
    [ -t 0 ] || wrong "$1: name the overlay, or give --yes, for there is nobody to ask"
    printf 'deploy.sh: %s. Go on? [y/N] ' "$1" >&2
    read -r answer || answer=''
    case $answer in
    y | Y | yes) ;;
    *) wrong "nothing was done" ;;
    esac
}

# Names of images and tags go into files and commands as they are.
checked() {
    case $2 in
    '' | *[!A-Za-z0-9._:/@-]*) wrong "$1 '$2' is none: letters, digits and . _ : / @ - are fine" ;;
    esac
    printf '%s\n' "$2"
}

# The number of environment variable $1, or $2 where that is not set.
number() {
    eval "value=\${$1:-$2}"
    # shellcheck disable=SC2154  # set by eval
    case $value in
    *[!0-9]* | '' | ??????????*) wrong "$1='$value' is no whole number of at most nine digits" ;;
    esac
    printf '%s\n' "$value" | sed 's/^0*\(.\)/\1/' # a zero in front makes it octal
}

# Who rolls out, for the record: DEPLOYED_BY, or the user of this machine.
who() {
    user=$(id -un 2>/dev/null || id -u)
    printf '%s\n' "${DEPLOYED_BY:-$user@$(uname -n)}" | tr -cd "A-Za-z0-9._@+\n-"
}
