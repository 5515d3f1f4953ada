#!/bin/sh
# Provides kube-apiserver and etcd for the tests, and prints where each is: what TEST_ASSET_KUBE_APISERVER and
# TEST_ASSET_ETCD name, else what is in the cache, else what it builds there once, on Debian and derivatives.
#
# kube-apiserver comes from Debian's own source package, compiled with Debian's Go; etcd is Debian's. They are fetched
# by a view of apt of its own and unpacked where they are: nothing is installed, and no rights are needed.
# Compiling takes about 8 minutes of two cores. Who comes meanwhile waits for it.
set -eu

SUITE=bookworm
GO=go-1.19
PACKAGES="golang-1.19-go golang-1.19-src etcd-server"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

script=$0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pyth-keeper
home=$cache/kubernetes-$SUITE

say() { printf 'kube-apiserver: %s\n' "$*" >&2; }

fail() {
    say "$*; instead, TEST_ASSET_KUBE_APISERVER and TEST_ASSET_ETCD may name the two programs"
    exit 1
}

answer() {
    printf '%s\n' "${TEST_ASSET_KUBE_APISERVER:-$home/kube-apiserver}" "${TEST_ASSET_ETCD:-$home/etcd}"
    exit
}

is_there() { [ -x "${TEST_ASSET_KUBE_APISERVER:-$home/kube-apiserver}" ] && [ -x "${TEST_ASSET_ETCD:-$home/etcd}" ]; }

# Runs apt-get with lists, cache and sources of its own.
apt() {
    apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources" \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)" "$@"
}

# The machine's own mirror of Debian, else Debian's.
mirror() {
    # shellcheck disable=SC2016  # the fields are apt's
    own=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
        sed -n '/-security/d; s,^\(.*/debian/*\) main$,\1,p' | head -n 1)
    printf '%s\n' "${own:-http://deb.debian.org/debian}"
}

fetch() {
    mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial" "$work/fetched"
    cat >"$work/sources/debian.sources" <<SOURCES
Types: deb deb-src
URIs: $(mirror)
Suites: $SUITE
Components: main
Signed-By: $KEYRING
SOURCES
    apt update
    cd "$work/fetched"
    # shellcheck disable=SC2086  # several packages
    apt download $PACKAGES
    apt source --download-only kubernetes
    for package in *.deb; do
        dpkg -x "$package" "$work/root"
    done
    mkdir -p "$work/gopath/src/k8s.io/kubernetes"
    tar -xzf kubernetes_*.orig.tar.gz -C "$work/gopath/src/k8s.io/kubernetes" --strip-components 1
    version=$(tar -tzf kubernetes_*.orig.tar.gz | sed -n '1s,^kubernetes-\(.*\)/$,v\1,p;1q')
}

# One generated file is not in the package: the OpenAPI definitions of all types that are marked for it.
generate() {
    marked=$(grep -rlF '+k8s:openapi-gen=' --include='*.go' --exclude='zz_*' pkg cmd plugin staging/src |
        grep -v -e /code-generator/ -e /sample-apiserver/ | xargs -n 1 dirname | LC_ALL=C sort -u |
        sed 's,^staging/src,vendor,; s,^,k8s.io/kubernetes/,' | tr '\n' ',')
    go run ./vendor/k8s.io/kube-openapi/cmd/openapi-gen --input-dirs "${marked%,}" \
        --output-package k8s.io/kubernetes/pkg/generated/openapi --output-file-base zz_generated.openapi \
        --go-header-file hack/boilerplate/boilerplate.generatego.txt --report-filename "$work/violations"
}

compile() {
    version_flags="-X k8s.io/component-base/version.gitVersion=$version"
    go build -o "$work/kube-apiserver" -ldflags "-s -w $version_flags" ./cmd/kube-apiserver
}

build() {
    fetch
    export PATH="$work/root/usr/lib/$GO/bin:$PATH"
    export GOPATH="$work/gopath" GOCACHE="$work/gocache" GO111MODULE=off CGO_ENABLED=0 GOFLAGS='' GOROOT=''
    cd "$work/gopath/src/k8s.io/kubernetes"
    generate
    compile
    mkdir -p "$home"
    mv "$work/root/usr/bin/etcd" "$work/kube-apiserver" "$home/"
}

if [ "$#" -gt 0 ]; then # called by the line below, for `set -e` sleeps inside of an `if`
    work=$1
    build
    exit
fi
if is_there; then
    answer
fi
for tool in apt-get dpkg flock; do
    command -v $tool >/dev/null || fail "building it needs Debian, and there is no $tool here"
done
[ -r $KEYRING ] || fail "building it needs Debian, and there is no $KEYRING here"
mkdir -p "$cache"
exec 9>"$home.lock"
flock 9
if is_there; then
    answer
fi
say "building it once, from Debian's source package: about 8 minutes, and 3 GB of disk meanwhile"
work=$(mktemp -d "$cache/kubernetes.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
log=$home.log
if ! nice -n 10 "$script" "$work" >"$log" 2>&1 9>&-; then
    tail -n 20 "$log" >&2
    fail "it could not be built; all that was said is in $log"
fi
rm -f "$log"
answer
