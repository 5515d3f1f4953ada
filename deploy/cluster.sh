# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# What rollouts, rollbacks and questions to a cluster have in common: where, how long, and the record of it.

DEPLOYMENT=deployment/pyth-keeper
AUDIT=.deploy/audit.jsonl

kube() { run kubectl --namespace "$namespace" "$@"; }

# Sets $overlay and $namespace, and how long things may take.
choose() {
    overlay=$1
    kustomization=k8s/overlays/$overlay/kustomization.yaml
    [ -f "$kustomization" ] || wrong "there is no overlay '$overlay', but: $(cd k8s/overlays && echo *)"
    namespace=$(sed -n 's/^namespace: *//p' "$kustomization")
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
    trap interrupted HUP INT TERM
    applied=''
}

interrupted() {
    [ -n "$applied" ] || fail "interrupted: nothing was changed"
    not_rolled_back "interrupted: ./deploy.sh rollback $overlay brings back what ran before"
}

complain() {
    say "$*"
    return 1
}

apply() {
    applied=yes
    kube apply --server-side --force-conflicts --filename "$1"
}

wait_for_pods() { kube rollout status "$DEPLOYMENT" --timeout="${rollout_s}s"; }

# The current revision of the Deployment; empty where there is none.
revision() {
    kubectl --namespace "$namespace" get "$DEPLOYMENT" --ignore-not-found \
        --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}' 2>/dev/null || true
}

# One line here, and on the Deployment. Says what $action of $shown came to.
audit() {
    mkdir -p .deploy
    record=$(printf '{"at":"%s","who":"%s","action":"%s","overlay":"%s","commit":"%s","image":"%s",' \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(who)" "$action" "$overlay" "$(revision_of_source)" "$shown" &&
        printf '"revision":"%s","preflight":"%s","verification":"%s","rolledBack":"%s"}' \
            "$(revision)" "$preflight" "$verification" "$rolled_back")
    printf '%s\n' "$record" | tee -a $AUDIT
    [ "$preflight" = failed ] ||
        kube annotate "$DEPLOYMENT" "pyth-keeper/rollout=$record" --overwrite >/dev/null ||
        say "the record could not be written to the cluster; it is in $AUDIT"
}
