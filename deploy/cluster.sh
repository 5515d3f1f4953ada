# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# What rollouts, rollbacks and questions to a cluster have in common: where, how long, and the record of it.

DEPLOYMENT=deployment/pyth-keeper
AUDIT=.deploy/audit.jsonl

kube() { run kubectl --namespace "$namespace" ${patience:+"--request-timeout=$patience"} "$@"; }

# The same of what may take minutes: a signal is heard meanwhile.
kube_long() {
    if [ -n "$dry" ]; then
        kube "$@"
        return
    fi
    kubectl --namespace "$namespace" "$@" &
    child=$!
    ended=0
    wait $child || ended=$?
    child=''
    return $ended
}

# Sets $overlay and $namespace, and how long things may take.
choose() {
    overlay=$1
    kustomization=k8s/overlays/$overlay/kustomization.yaml
    [ -f "$kustomization" ] || wrong "there is no overlay '$overlay', but: $(cd k8s/overlays && echo *)"
    namespace=$(sed -n 's/^namespace: *//p' "$kustomization")
    [ -n "$namespace" ] || wrong "$kustomization names no namespace"
    rollout_s=$(number ROLLOUT_TIMEOUT_S 600) || exit
    preflight_s=$(number PREFLIGHT_TIMEOUT_S 180) || exit
    verify_s=$(number VERIFY_TIMEOUT_S 180) || exit
    errors_allowed=$(number ERRORS_ALLOWED 5) || exit
    need kubectl
}

# Runs deploy/manifests.py, which needs what the keeper needs.
manifests() {
    .venv/bin/python -c 'import yaml' 2>/dev/null || install runtime
    .venv/bin/python deploy/manifests.py "$@"
}

# A folder for what is rendered and read, gone at the end.
make_work() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'end_child; exit 1' HUP INT TERM
    applied='' child='' job='' kept='' before='' shown=unknown
    patience=''
}

end_child() { [ -z "$child" ] || kill "$child" 2>/dev/null || true; }

# Which of several clusters that is, before anything is done there.
tell_where() {
    say "$action in namespace $namespace of cluster $(kubectl config current-context 2>/dev/null || echo 'without a name')"
}

# From here on a signal leads to a record and to what to type.
watch_signals() {
    patience=''
    trap interrupted HUP INT TERM
}

# What follows is short, and done to its end.
ignore_signals() {
    patience=10s
    trap '' HUP INT TERM
}

interrupted() {
    ignore_signals
    end_child
    if [ "$verification" = passed ]; then
        fail "interrupted at the end: $shown runs and does its work; the same command deletes what was to be deleted"
    elif [ "$preflight" = failed ]; then
        preflight=interrupted
    elif [ "$rolled_back" = no ]; then
        verification=interrupted
    else
        rolled_back=interrupted
    fi
    if [ -z "$applied" ]; then
        [ -z "$job" ] || delete_preflight
        [ -z "$kept" ] || forget_set "$kept"
        audit || true
        preflight_failed "interrupted: nothing was changed"
    fi
    say "interrupted: what runs in $namespace was not verified, and may be the old, the new, or some of both" || true
    say "see it: ./deploy.sh status $overlay; back: $(way_back)" || true
    [ "$rolled_back" != no ] || say "or forward: the same command again" || true
    audit || true
    exit 5
}

# What to type to get back to $before.
way_back() {
    case $before in
    '') echo "there is nothing earlier" ;;
    "$DEPLOYMENT") echo "./deploy.sh rollback $overlay ${undo_to:-REVISION}" ;;
    *) echo "./deploy.sh rollback $overlay $before" ;;
    esac
}

complain() {
    say "$*"
    return 1
}

apply() {
    applied=yes
    kube apply --server-side --force-conflicts --filename "$1"
}

wait_for_pods() { kube_long rollout status "$DEPLOYMENT" --timeout="${rollout_s}s"; }

# The current revision of the Deployment; empty where there is none.
revision() {
    kube get "$DEPLOYMENT" --ignore-not-found \
        --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}' 2>/dev/null || true
}

# Whether a record can be written here.
can_audit() { { mkdir -p .deploy && printf '' >>$AUDIT; } 2>/dev/null; }

# One line here, and on the Deployment where anything was changed. Says what $action of $shown came to.
audit() {
    record=$(printf '{"at":"%s","who":"%s","action":"%s","overlay":"%s","commit":"%s","image":"%s",' \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(who)" "$action" "$overlay" "$(revision_of_source)" "$shown" &&
        printf '"revision":"%s","preflight":"%s","verification":"%s","rolledBack":"%s"}' \
            "$(revision)" "$preflight" "$verification" "$rolled_back")
    if can_audit; then
        printf '%s\n' "$record" >>$AUDIT
    else
        say "$AUDIT cannot be written; this is the record:"
    fi
    printf '%s\n' "$record"
    [ -z "$applied" ] || kube annotate "$DEPLOYMENT" "pyth-keeper/rollout=$record" --overwrite >/dev/null ||
        say "the record could not be written to the cluster"
}
