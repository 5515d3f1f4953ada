# shellcheck shell=sh
# Rollouts on Kubernetes that check before, verify after, and undo themselves.

DEPLOYMENT=deployment/pyth-keeper
SECRET=pyth-keeper-secrets
ROLLOUT_TIMEOUT=10m
PREFLIGHT_S=180
VERIFY_S=180
ERRORS_ALLOWED=5
AUDIT=.deploy/audit.jsonl
OURS='app in (pyth-keeper,pyth-keeper-postgres)'
KINDS=configmaps,services,serviceaccounts,deployments.apps,statefulsets.apps,roles.rbac.authorization.k8s.io
KINDS=$KINDS,rolebindings.rbac.authorization.k8s.io,networkpolicies.networking.k8s.io
KINDS=$KINDS,horizontalpodautoscalers.autoscaling,poddisruptionbudgets.policy
PODS='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}'

kube() { run kubectl --namespace "$namespace" "$@"; }

# Sets $overlay and $namespace.
choose() {
    overlay=$1
    kustomization=k8s/overlays/$overlay/kustomization.yaml
    [ -f "$kustomization" ] || fail "there is no overlay '$overlay', but: $(cd k8s/overlays && echo *)"
    namespace=$(sed -n 's/^namespace: *//p' "$kustomization")
    need kubectl
}

# Runs deploy/manifests.py, which needs what the keeper needs.
manifests() {
    .venv/bin/python -c 'import yaml' 2>/dev/null || install runtime
    .venv/bin/python deploy/manifests.py "$@"
}

roll_out() {
    overlay=production image='' allow_deletions=''
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --tag) image=:${2:?--tag wants a tag} && shift ;;
        --image) image=${2:?--image wants a name with a tag} && shift ;;
        --allow-deletions) allow_deletions=yes ;;
        -*) fail "does not know $1; ./deploy.sh --help tells what there is" ;;
        *) overlay=$1 ;;
        esac
        shift
    done
    choose "$overlay"
    [ -z "$image" ] || image=$(checked image "$image") || exit
    if [ -n "$dry" ]; then
        tell_rollout
        return
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    preflight=failed verification=none rolled_back=no after=''
    render
    before=$(revision)
    if ! prepare; then
        audit
        fail "the preflight has failed: nothing was changed"
    fi
    preflight=passed
    say "applying $overlay: $shown"
    kube apply --server-side --force-conflicts --filename "$work/manifests.yaml" || give_up "kubectl apply has failed"
    kube rollout status $DEPLOYMENT --timeout=$ROLLOUT_TIMEOUT || give_up "the new pods did not become ready"
    after=$(revision)
    verify_pods || give_up "the new pods do not do their work"
    verification=passed
    while read -r object; do
        kube delete "$object" || say "$object could not be deleted"
    done <"$work/deletions"
    audit
    say "$overlay runs $shown, revision $after"
}

# What would be done, without asking anybody.
tell_rollout() {
    run kubectl kustomize "k8s/overlays/$overlay"
    [ -z "$image" ] || run .venv/bin/python deploy/manifests.py tag "$image"
    kube get namespace,secret "$SECRET"
    kube get "$KINDS" --selector "$OURS" --output name
    kube create --filename PREFLIGHT-JOB # keeper check, with the new image, settings and the real secrets
    kube diff --server-side --filename MANIFESTS
    kube apply --server-side --force-conflicts --filename MANIFESTS
    kube rollout status $DEPLOYMENT --timeout=$ROLLOUT_TIMEOUT
    kube exec EACH-POD --container pyth-keeper -- keeper verify --pid 1 --within $VERIFY_S
    printf '+ where one of these fails: '
    kube rollout undo $DEPLOYMENT
}

# Makes $work/manifests.yaml; sets $shown, the image.
render() {
    kubectl kustomize "k8s/overlays/$overlay" >"$work/rendered.yaml" || fail "kustomize refuses the overlay $overlay"
    if [ -n "$image" ]; then
        manifests tag "$image" <"$work/rendered.yaml" >"$work/manifests.yaml"
    else
        cp "$work/rendered.yaml" "$work/manifests.yaml"
    fi
    shown=$(manifests image <"$work/manifests.yaml")
    manifests names <"$work/manifests.yaml" >"$work/names"
}

# The current revision of the Deployment; empty where there is none.
revision() {
    kubectl --namespace "$namespace" get $DEPLOYMENT --ignore-not-found \
        --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}' 2>/dev/null || true
}

# All that can be known before anything is changed.
prepare() {
    kubectl get namespace "$namespace" >/dev/null ||
        complain "the cluster cannot be reached, or has no namespace $namespace: k8s/README.md tells what comes first" ||
        return
    kube get secret $SECRET >/dev/null ||
        complain "there is no Secret $SECRET in $namespace: k8s/README.md tells how to make it" || return
    check_deletions || return
    check_inside || return
    code=0
    kube diff --server-side --force-conflicts --filename "$work/manifests.yaml" || code=$?
    [ "$code" -le 1 ] || complain "kubectl diff has failed"
}

complain() {
    say "$*"
    return 1
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
    first=''
    [ -n "$(kubectl --namespace "$namespace" get serviceaccount pyth-keeper --ignore-not-found --output name)" ] ||
        first=first
    # shellcheck disable=SC2086  # nothing, where it is not the first time
    manifests preflight "$job" $first <"$work/manifests.yaml" >"$work/preflight.yaml"
    kube create --filename "$work/preflight.yaml" || complain "the Job cannot be made" || return
    waited=0
    ended=''
    while [ -z "$ended" ] && [ $waited -lt $PREFLIGHT_S ]; do
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
    kube delete "job/$job" "configmap/$job" --ignore-not-found --wait=false >/dev/null || true
    [ "$ended" = passed ] || complain "keeper check ${ended:-did not end within $PREFLIGHT_S s}"
}

# Every pod is well; who leads has pushed; nobody logs errors.
verify_pods() {
    pods=$(kube get pods --selector app=pyth-keeper --output "go-template=$PODS") || return
    [ -n "$pods" ] || complain "there are no pods" || return
    leaders=0
    for pod in $pods; do
        said=$(kube exec "$pod" --container pyth-keeper -- keeper verify --pid 1 --within $VERIFY_S) || {
            printf '%s\n' "$said" >&2
            complain "$pod does not do its work"
            return
        }
        printf '%s\n' "$said" | sed "s/^/$pod: /"
        case $said in *' leads, '* | *'dry run'*) leaders=$((leaders + 1)) ;; esac
        log=$(kube logs "$pod" --container pyth-keeper --since=$ROLLOUT_TIMEOUT) ||
            complain "the log of $pod cannot be read" || return
        errors=$(printf '%s\n' "$log" | grep -cE '"level": *"(error|critical)"') || true
        [ "$errors" -le $ERRORS_ALLOWED ] || complain "$pod has logged $errors errors" || return
    done
    [ $leaders -gt 0 ] || complain "no pod leads"
}

# Back to what was there before.
give_up() {
    say "$1"
    [ -z "$after" ] || verification=failed
    if [ -n "$before" ]; then
        say "going back to revision $before"
        rolled_back=yes
        undo "$before" && verify_pods || rolled_back=failed
    else
        say "there is no earlier revision to go back to"
    fi
    audit
    fail "the rollout of $shown has failed; rolled back: $rolled_back"
}

undo() {
    kube rollout undo $DEPLOYMENT ${1:+"--to-revision=$1"} &&
        kube rollout status $DEPLOYMENT --timeout=$ROLLOUT_TIMEOUT
}

# One line here, and on the Deployment.
audit() {
    mkdir -p .deploy
    record=$(printf '{"at":"%s","overlay":"%s","commit":"%s","image":"%s","revision":"%s","preflight":"%s",' \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$overlay" "$(revision_of_source)" "$shown" "$(revision)" "$preflight" &&
        printf '"verification":"%s","rolledBack":"%s"}' "$verification" "$rolled_back")
    printf '%s\n' "$record" | tee -a $AUDIT
    [ "$preflight" = failed ] ||
        kube annotate $DEPLOYMENT "pyth-keeper/rollout=$record" --overwrite >/dev/null ||
        say "the record could not be written to the cluster; it is in $AUDIT"
}

# Sets $target, $rest and $dry by the arguments of verify, status, rollback and logs.
target_options() {
    target=production rest=''
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        -*) fail "does not know $1; ./deploy.sh --help tells what there is" ;;
        *[!0-9]*) target=$1 ;;
        *) rest=$1 ;;
        esac
        shift
    done
    [ "$target" = docker ] || choose "$target"
}

verify_target() {
    target_options "$@"
    if [ "$target" = docker ]; then
        run docker compose exec -T keeper keeper verify --pid 1
    elif [ -n "$dry" ]; then
        kube exec EACH-POD --container pyth-keeper -- keeper verify --pid 1 --within $VERIFY_S
    else
        verify_pods || fail "$target does not do its work"
    fi
}

show_target() {
    target_options "$@"
    if [ "$target" = docker ]; then
        run docker compose ps
        run docker compose exec -T keeper keeper status --once
    else
        kube get deployments,pods,horizontalpodautoscalers --selector app=pyth-keeper --output wide
        kube rollout history $DEPLOYMENT
        kube get $DEPLOYMENT --output 'jsonpath={.metadata.annotations.pyth-keeper/rollout}{"\n"}'
        kube exec $DEPLOYMENT --container pyth-keeper -- keeper status --once
    fi
}

roll_back() {
    target_options "$@"
    [ "$target" != docker ] || fail "compose keeps no earlier revision: build an earlier commit, and ./deploy.sh docker"
    undo "$rest"
    [ -n "$dry" ] || verify_pods || fail "$target was rolled back, and does not do its work"
}

show_logs() {
    target_options "$@"
    if [ "$target" = docker ]; then
        run docker compose logs --follow --tail 100 keeper
    else
        kube logs --selector app=pyth-keeper --container pyth-keeper --prefix --follow --tail 100
    fi
}
