# shellcheck shell=sh
# The staging system on this machine, by docker compose.

COMPOSE_DEVNET=config/devnet/devnet.env
POSTGRES_PASSWORD=secrets/postgres_password

run_compose() {
    devnet=''
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --devnet) devnet=yes ;;
        *) fail "does not know $1; ./deploy.sh --help tells what there is" ;;
        esac
        shift
    done
    need docker
    if [ -n "$devnet" ]; then
        set -- --env-file $COMPOSE_DEVNET
    else
        [ -n "$dry" ] || [ -f .env ] || fail "there is no .env: cp .env.example .env, and fill it in; or give --devnet"
        run make_password
        set --
    fi
    VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    REVISION=$(revision_of_source)
    export VERSION REVISION
    run docker compose "$@" up --detach --wait --build
    run docker compose "$@" exec -T keeper keeper verify --pid 1 ||
        fail "the keeper does not do its work: docker compose logs keeper"
}

# Readable for the users in the containers, and in a folder that no other user of this machine may enter.
make_password() {
    [ ! -e $POSTGRES_PASSWORD ] || return 0
    mkdir -p secrets
    chmod 700 secrets
    head -c 24 /dev/urandom | base64 | tr -d '+/=\n' >$POSTGRES_PASSWORD
    chmod 444 $POSTGRES_PASSWORD
    say "made $POSTGRES_PASSWORD"
}
