# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# What was rolled out, kept as a set of manifests (without Secrets) in a ConfigMap each, so that a rollback brings back
# all of it: settings, rights, scaling, network policy, and not the Deployment alone.

SETS_KEPT=10
SET_LABEL=pyth-keeper/set
SETS='{{range .items}}{{.metadata.name}} {{index .metadata.labels "pyth-keeper/set"}} '
SETS=$SETS'{{with index .metadata.labels "pyth-keeper/revision"}}{{.}}{{else}}-{{end}} '
SETS=$SETS'{{with index .metadata.labels "pyth-keeper/digest"}}{{.}}{{else}}{{.metadata.name}}{{end}}{{"\n"}}{{end}}'

# Name, `verified` or `applied`, revision of the Deployment, and digest, newest first.
sets() {
    kube get configmaps --selector "$SET_LABEL" --output "go-template=$SETS" >"$work/sets" || return
    sort -r "$work/sets"
}

# Sets $before to the newest set that was verified: what a failed rollout goes back to.
find_before() {
    sets >"$work/sorted" || complain "the manifests of earlier rollouts cannot be read" || return
    before=$(awk '$2 == "verified" {print $1; exit}' "$work/sorted")
    undo_to=$(revision)
    if [ -z "$before" ] && [ -z "$undo_to" ]; then
        return
    fi
    if [ -z "$before" ] || ! last_runs; then # done in some other way: only the Deployment remembers
        before=$DEPLOYMENT
        say "no manifests of what runs are kept: where this fails only the Deployment goes back, to revision $undo_to"
    fi
}

# Whether the Deployment is what the newest set says, where that was verified; what a rollout that failed or was interrupted
# has left may be anything. Somebody may have changed it since by kubectl.
last_runs() {
    last=$(awk 'NR == 1 && $2 == "verified" {print $1}' "$work/sorted")
    [ -n "$last" ] && [ -n "$(revision)" ] && read_set "$last" || return 0
    code=0
    manifests deployment <"$work/restored.yaml" >"$work/deployment.yaml"
    kube diff --server-side --force-conflicts --filename "$work/deployment.yaml" >"$work/difference" || code=$?
    [ $code -eq 1 ] || return 0
    say "what runs is not what $last holds, which was rolled out last; that would change:"
    cat "$work/difference" >&2
    return 1
}

# Keeps $work/manifests.yaml before it is applied; sets $kept.
keep_set() {
    kept=pyth-keeper-set-$(date -u +%Y%m%d%H%M%S)
    manifests keep "$kept" <"$work/manifests.yaml" >"$work/set.yaml" && kube create --filename "$work/set.yaml"
}

# What was kept runs, and does its work. Forgotten are sets that equal it, or did not come so far, and the oldest.
confirm_set() {
    kube label configmap "$kept" "$SET_LABEL=verified" "pyth-keeper/revision=$(revision)" --overwrite >/dev/null ||
        say "$kept could not be marked as verified: a rollback will not find it"
    sets >"$work/sorted" || say "earlier rollouts cannot be read: none is forgotten"
    digest=$(awk -v kept="$kept" '$1 == kept {print $4}' "$work/sorted")
    awk -v kept="$kept" -v digest="$digest" -v most=$SETS_KEPT '
        $1 != kept && ($2 == "applied" || $4 == digest || ++others >= most) {print $1}' "$work/sorted" >"$work/old"
    while read -r old; do
        forget_set "$old"
    done <"$work/old"
}

forget_set() { kube delete configmap "$1" --ignore-not-found >/dev/null || say "$1 could not be deleted"; }

# Reads set $1 into $work/restored.yaml.
read_set() {
    kube get configmap "$1" --output json >"$work/read.json" && manifests kept <"$work/read.json" >"$work/restored.yaml"
}

# What no way back deletes: namespaces, settings of other revisions, and what holds secrets (an ExternalSecret takes its
# Secret along) or data.
STAYS='^(namespace|configmap/pyth-keeper-config-|[^/]*secret|persistentvolumeclaim)'

# Brings back set $1 in the place of what $2 names, and waits for the pods.
restore() {
    if [ "$1" = "$DEPLOYMENT" ]; then
        applied=yes
        kube rollout undo "$DEPLOYMENT" ${undo_to:+"--to-revision=$undo_to"} && wait_for_pods
        return
    fi
    read_set "$1" && manifests names <"$work/restored.yaml" >"$work/restored" && apply "$work/restored.yaml" || return
    grep -Ev "$STAYS" "$2" | grep -Fvx -f "$work/restored" >"$work/added" || true
    while read -r object; do
        kube delete "$object" --ignore-not-found || complain "$object, which is new, could not be deleted" || return
    done <"$work/added"
    wait_for_pods
}
