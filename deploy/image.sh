# shellcheck shell=sh
# Building the container image and handing it to a registry.

TAGS=.deploy/tags

image_options() {
    name=${KEEPER_IMAGE_NAME:-pyth-keeper}
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --image) name=${2:?--image wants a name} && shift ;;
        *) fail "does not know $1; ./deploy.sh --help tells what there is" ;;
        esac
        shift
    done
    name=$(checked image "$name") || exit
}

# Docker, or podman, which speaks the same way.
container_tool() {
    for tool in "${CONTAINER_TOOL:-docker}" podman; do
        if command -v "$tool" >/dev/null; then
            printf '%s\n' "$tool"
            return
        fi
    done
    [ -z "$dry" ] || printf 'docker\n'
}

# Sets $version, $hash and all $tags of what is built now.
name_tags() {
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    hash=$(revision_of_source)
    tags="latest $version $hash $(date -u +%Y%m%d-%H%M%S)"
}

build_image() {
    image_options "$@"
    tool=$(container_tool)
    [ -n "$tool" ] || fail "needs docker or podman, and neither is on PATH"
    name_tags
    set -- --build-arg "VERSION=$version" --build-arg "REVISION=$hash"
    [ -z "${BASE_IMAGE:-}" ] || set -- "$@" --build-arg "BASE=$BASE_IMAGE"
    [ "$tool" = docker ] || set -- "$@" --format docker # only that format has health checks
    for tag in $tags; do
        set -- "$@" --tag "$name:$tag"
    done
    run "$tool" build "$@" .
    [ -z "$dry" ] || return 0
    mkdir -p .deploy
    printf '%s\n' "$tags" | tr ' ' '\n' >$TAGS
    say "built $name with the tags $tags"
}

push_image() {
    image_options "$@"
    tool=$(container_tool)
    [ -n "$tool" ] || fail "needs docker or podman, and neither is on PATH"
    case $name in
    */*) ;;
    *) fail "'$name' names no registry: --image registry.example.org/team/pyth-keeper, for build and push" ;;
    esac
    name_tags
    if [ -z "$dry" ]; then
        [ -s $TAGS ] || fail "nothing was built here yet: ./deploy.sh build"
        tags=$(cat $TAGS)
    fi
    for tag in $tags; do
        run "$tool" push "$name:$tag"
    done
}
