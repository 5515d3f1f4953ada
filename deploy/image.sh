# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# Building the container image and handing it to a registry.

BUILT=.deploy/built # NAME:TAG, a line each

image_options() {
    name=${KEEPER_IMAGE_NAME:-pyth-keeper} allow_dirty='' without_latest=''
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --allow-dirty) allow_dirty=yes ;;
        --without-latest) without_latest=yes ;;
        --image) wants "$@" && name=$2 && shift ;;
        *) unknown_option "$1" ;;
        esac
        shift
    done
    name=$(checked image "$name") || exit
    tool=$(container_tool) || exit
}

# The one that is asked for, or the first there is; podman and buildah speak as docker does.
container_tool() {
    for tool in ${CONTAINER_TOOL:-docker podman buildah}; do
        if [ -n "$dry" ] || command -v "$tool" >/dev/null; then
            printf '%s\n' "$tool"
            return
        fi
    done
    fail "needs ${CONTAINER_TOOL:-docker, podman or buildah}, which is not on PATH"
}

# Sets $version, $hash and all $tags of what is built now.
name_tags() {
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
    hash=$(revision_of_source)
    tags="latest $version $hash $(date -u +%Y%m%d-%H%M%S)"
}

build_image() {
    image_options "$@"
    name_tags
    set -- --build-arg "VERSION=$version" --build-arg "REVISION=$hash"
    [ -z "${BASE_IMAGE:-}" ] || set -- "$@" --build-arg "BASE=$BASE_IMAGE"
    [ "$tool" = docker ] || set -- "$@" --format docker # only that format has health checks
    for tag in $tags; do
        set -- "$@" --tag "$name:$tag"
    done
    [ -n "$dry" ] || rm -f $BUILT # a build that fails leaves nothing to push
    run "$tool" build "$@" .
    [ -z "$dry" ] || return 0
    mkdir -p .deploy
    for tag in $tags; do
        printf '%s:%s\n' "$name" "$tag"
    done >$BUILT
    say "built $name with the tags $tags"
}

push_image() {
    image_options "$@"
    case $name in
    */*) ;;
    *) wrong "'$name' names no registry: --image registry.example.org/team/pyth-keeper, for build and push" ;;
    esac
    name_tags
    if [ -z "$dry" ]; then
        [ -s $BUILT ] || fail "nothing was built here yet: ./deploy.sh build --image $name"
        built=$(sed -n '1s/:[^:]*$//p' $BUILT)
        [ "$built" = "$name" ] || wrong "what was built last is $built: ./deploy.sh build --image $name, or push that"
        tags=$(sed 's/.*://' $BUILT)
    fi
    refuse_dirty "$hash" "this folder"
    for tag in $tags; do
        refuse_dirty "$tag" "the image $name:$tag"
    done
    for tag in $tags; do
        [ "$tag" = latest ] && [ -n "$without_latest" ] || run "$tool" push "$name:$tag"
    done
}
