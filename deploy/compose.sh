# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# The staging system on this machine, by docker compose.

COMPOSE_DEVNET=config/devnet/devnet.env
POSTGRES_PASSWORD=secrets/postgres_password

run_compose() {
    devnet=''
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --devnet) devnet=yes ;;
        *) unknown_option "$1" ;;
        esac
        shift
    done
    need docker
    if [ -n "$devnet" ]; then
        set -- --env-file $COMPOSE_DEVNET
    else
        [ -n "$dry" ] || check_env
        run make_password
        set --
    fi
    VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    REVISION=$(revision_of_source)
    export VERSION REVISION
    run docker compose "$@" up --detach --wait --build
    run docker compose "$@" exec -T keeper keeper verify --pid 1 ||
        not_working "the keeper does not do its work: docker compose logs keeper"
}

# All that compose needs of .env, with every mistake told at once; values are secrets and are not shown.
check_env() {
    [ -f .env ] || fail "there is no .env: cp .env.example .env, and fill it in; or give --devnet"
    mistakes=0
    for name in RPC_URL GRAFANA_PASSWORD PRIVATE_KEY_FILE; do
        if [ -z "$(of_env $name)" ]; then
            mistaken "$name is not set in .env: docs/staging.md tells what it is"
        fi
    done
    if is_placeholder "$(of_env GRAFANA_PASSWORD)"; then
        mistaken "GRAFANA_PASSWORD in .env is a placeholder: choose one, as by openssl rand -hex 16"
    fi
    check_secret PRIVATE_KEY_FILE "$(of_env PRIVATE_KEY_FILE)"
    check_secret HERMES_API_KEY_FILE "$(of_env HERMES_API_KEY_FILE)"
    password=$(of_env POSTGRES_PASSWORD_FILE)
    if [ -n "$password" ] || [ -e $POSTGRES_PASSWORD ]; then # else it is made
        check_secret POSTGRES_PASSWORD_FILE "${password:-$POSTGRES_PASSWORD}"
    fi
    [ "$mistakes" -eq 0 ] || preflight_failed "nothing was started"
}

mistaken() {
    say "$*"
    mistakes=$((mistakes + 1))
}

# What compose takes variable $1 for: the environment wins over .env, and the last line of .env over those before.
of_env() {
    eval "value=\${$1:-}"
    # shellcheck disable=SC2154  # set by eval
    [ -n "$value" ] || value=$(
        sed -n "s/^[[:space:]]*\(export[[:space:]][[:space:]]*\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" .env |
            tail -n 1 | tr -d '\r' |
            sed -e 's/^"\([^"]*\)".*$/\1/' -e t -e "s/^'\([^']*\)'.*\$/\1/" -e t -e 's/^#.*$//' -e 's/[[:space:]][[:space:]]*\(#.*\)\{0,1\}$//'
    )
    printf '%s\n' "$value"
}

is_placeholder() {
    case $(printf '%s' "$1" | tr 'A-Z_' 'a-z-') in
    choose-one | choose-me | change-me | changeme | password | secret | admin | example | todo | xxx* | '<'*'>' | your-*) ;;
    *) return 1 ;;
    esac
}

# That the secret file $2, named by $1, holds something real.
check_secret() {
    [ -n "$2" ] || return 0
    if [ ! -f "$2" ]; then
        mistaken "$1: there is no file $2: docs/staging.md tells how to make it"
    elif [ ! -s "$2" ]; then
        mistaken "$1: the file $2 is empty"
    elif is_placeholder "$(cat "$2")"; then
        mistaken "$1: the file $2 holds a placeholder"
    fi
}

# Readable for the users in the containers, and in a folder that no other user of this machine may enter.
make_password() {
    [ -z "$(of_env POSTGRES_PASSWORD_FILE)" ] || return 0
    [ ! -e $POSTGRES_PASSWORD ] || return 0
    mkdir -p secrets
    chmod 700 secrets
    head -c 24 /dev/urandom | base64 | tr -d '+/=\n' >$POSTGRES_PASSWORD
    chmod 444 $POSTGRES_PASSWORD
    say "made $POSTGRES_PASSWORD"
}
