# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# What was rolled out, kept as a set of manifests (without Secrets) in a ConfigMap each, so that a rollback brings back
# all of it: settings, rights, scaling, network policy, and not the Deployment alone.

SETS_KEPT=10
SET_LABEL=pyth-keeper/set
SETS='{{range .items}}{{.metadata.name}} {{index .metadata.labels "pyth-keeper/set"}} '
SETS=$SETS'{{with index .metadata.labels "pyth-keeper/revision"}}{{.}}{{else}}-{{end}}{{"\n"}}{{end}}'

# Name, `verified` or `applied`, and revision of the Deployment, newest first.
sets() {
    kube get configmaps --selector "$SET_LABEL" --output "go-template=$SETS" >"$work/sets" || return
    sort -r "$work/sets"
}

# Sets $before to the newest set that was verified: what a failed rollout goes back to.
find_before() {
    sets >"$work/sorted" || complain "the manifests of earlier rollouts cannot be read" || return
    before=$(awk '$2 == "verified" {print $1; exit}' "$work/sorted")
    if [ -z "$before" ] && [ -n "$(revision)" ]; then
        before=$DEPLOYMENT # rolled out in some other way: only the Deployment remembers
        say "no manifests of what runs are kept: where this fails only the Deployment goes back"
        undo_to=$(revision)
    fi
}

# Keeps $work/manifests.yaml before it is applied; sets $kept.
keep_set() {
    kept=pyth-keeper-set-$(date -u +%Y%m%d%H%M%S)
    manifests keep "$kept" <"$work/manifests.yaml" >"$work/set.yaml" && kube create --filename "$work/set.yaml"
}

# What was kept runs, and does its work; the oldest beyond $SETS_KEPT are forgotten.
confirm_set() {
    kube label configmap "$kept" "$SET_LABEL=verified" "pyth-keeper/revision=$(revision)" --overwrite >/dev/null ||
        say "$kept could not be marked as verified: a rollback will not find it"
    sets | awk -v kept=$SETS_KEPT 'NR > kept {print $1}' >"$work/old" || true
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
