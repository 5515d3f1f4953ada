# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# All that can be known before anything in the cluster is changed.

SECRET=pyth-keeper-secrets
OURS='app in (pyth-keeper,pyth-keeper-postgres)'
KINDS=configmaps,services,serviceaccounts,deployments.apps,statefulsets.apps,roles.rbac.authorization.k8s.io
KINDS=$KINDS,rolebindings.rbac.authorization.k8s.io,networkpolicies.networking.k8s.io
KINDS=$KINDS,horizontalpodautoscalers.autoscaling,poddisruptionbudgets.policy

prepare() {
    kubectl get namespace "$namespace" >/dev/null ||
        complain "the cluster cannot be reached, or has no namespace $namespace: k8s/README.md tells what comes first" ||
        return
    kube get secret $SECRET >/dev/null ||
        complain "there is no Secret $SECRET in $namespace: k8s/README.md tells how to make it" || return
    scale=$(kube get "$DEPLOYMENT" --ignore-not-found --output 'jsonpath={.spec.replicas}') || return
    [ "$scale" != 0 ] ||
        complain "the Deployment is scaled to 0, where no autoscaler acts, so that nothing could be verified:" \
            "kubectl scale $DEPLOYMENT --namespace $namespace --replicas 2" || return
    find_before || return
    check_deletions || return
    check_inside || return
    count_errors_before || return
    code=0
    kube diff --server-side --force-conflicts --filename "$work/manifests.yaml" || code=$?
    [ "$code" -le 1 ] || complain "kubectl diff has failed" || return
    keep_set || complain "what is rolled out cannot be kept for a rollback"
}

# What is in the cluster and not in the manifests: settings of earlier revisions stay, so that they can come back.
check_deletions() {
    : >"$work/deletions"
    kube get "$KINDS" --selector "$OURS" --output name >"$work/live" || complain "the cluster's objects are not told" ||
        return
    grep -v '^configmap/pyth-keeper-config-' "$work/live" | grep -Fvx -f "$work/names" >"$work/deletions" || true
    if [ -s "$work/deletions" ] && [ -z "$allow_deletions" ]; then
        say "these are in the cluster and not in the manifests: $(tr '\n' ' ' <"$work/deletions")"
        complain "--allow-deletions deletes them, once the new pods do their work"
    fi
}

# `keeper check` in the cluster, with the new image, the new settings and the real secrets.
check_inside() {
    job=pyth-keeper-preflight-$(date -u +%Y%m%d%H%M%S)
    # shellcheck disable=SC2046  # names are words
    manifests preflight "$job" "$preflight_s" $(cat "$work/live") <"$work/manifests.yaml" >"$work/preflight.yaml"
    kube create --filename "$work/preflight.yaml" || complain "the Job cannot be made" || return
    waited=0
    ended=''
    while [ -z "$ended" ] && [ $waited -lt "$preflight_s" ]; do
        case $(kube get "job/$job" --output 'jsonpath={.status.succeeded}/{.status.failed}') in
        1/*) ended=passed ;;
        */1) ended=failed ;;
        *)
            sleep 2
            waited=$((waited + 2))
            ;;
        esac
    done
    kube logs "job/$job" || true
    delete_preflight
    [ "$ended" = passed ] || complain "keeper check ${ended:-did not end within $preflight_s s}"
}

delete_preflight() {
    kube delete "job/$job" "configmap/$job" --ignore-not-found --wait=false >/dev/null || say "job/$job could not be deleted"
}
