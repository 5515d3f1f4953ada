# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# Rollouts on Kubernetes that check before, verify after, and undo themselves.

roll_out() {
    overlay='' image='' allow_deletions='' allow_dirty='' yes=''
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --yes) yes=yes ;;
        --tag) wants "$@" && one_word "$image" "$2" && image=:$2 && shift ;;
        --image) wants "$@" && one_word "$image" "$2" && image=$2 && shift ;;
        --allow-deletions) allow_deletions=yes ;;
        --allow-dirty) allow_dirty=yes ;;
        -*) unknown_option "$1" ;;
        *) one_word "$overlay" "$1" && overlay=$1 ;;
        esac
        shift
    done
    [ -n "$overlay" ] || confirm "this rolls out to production"
    choose "${overlay:-production}"
    [ -z "$image" ] || image=$(checked image "$image") || exit
    refuse_dirty "$(revision_of_source)" "this folder"
    if [ -n "$dry" ]; then
        tell_rollout
        return
    fi
    can_audit || fail "$AUDIT cannot be written: nothing was changed"
    make_work
    action=rollout preflight=failed verification=none rolled_back=no
    watch_signals
    tell_where
    render
    if ! prepare; then
        audit
        preflight_failed "the preflight has failed: nothing was changed"
    fi
    preflight=passed
    say "applying $overlay: $shown"
    apply "$work/manifests.yaml" || give_up "kubectl apply has failed"
    wait_for_pods || give_up "the new pods did not become ready"
    verification=failed
    verify_pods || give_up "the new pods do not do their work"
    ignore_signals
    verification=passed
    confirm_set
    audit
    watch_signals
    while read -r object; do
        kube delete "$object" || say "$object could not be deleted"
    done <"$work/deletions"
    say "$overlay runs $shown, revision $(revision)"
}

# What would be done, without asking anybody.
tell_rollout() {
    run kubectl kustomize "k8s/overlays/$overlay"
    [ -z "$image" ] || run .venv/bin/python deploy/manifests.py tag "$image"
    kube get namespace,secret "$SECRET"
    kube get "$KINDS" --selector "$OURS" --output name
    kube create --filename PREFLIGHT-JOB # keeper check, with the new image, settings and the real secrets
    kube diff --server-side --filename MANIFESTS
    kube create --filename SET # the manifests as a ConfigMap, for a rollback
    kube apply --server-side --force-conflicts --filename MANIFESTS
    wait_for_pods
    kube exec EACH-POD --container pyth-keeper -- keeper verify --pid 1 --within "$verify_s" --leader EACH-POD
    printf '+ where one of these fails: '
    kube apply --server-side --force-conflicts --filename SET-BEFORE
}

# Makes $work/manifests.yaml and $work/names; sets $shown, the image.
render() {
    kubectl kustomize "k8s/overlays/$overlay" >"$work/rendered.yaml" || fail "kustomize refuses the overlay $overlay"
    if [ -n "$image" ]; then
        manifests tag "$image" <"$work/rendered.yaml" >"$work/manifests.yaml"
    else
        cp "$work/rendered.yaml" "$work/manifests.yaml"
    fi
    shown=$(manifests image <"$work/manifests.yaml")
    manifests names <"$work/manifests.yaml" >"$work/names"
    case $shown in
    *:latest) say "the tag of $shown moves: nobody can tell later what ran, and a rollback may bring the new image back" ;;
    esac
}

# Back to what was there before.
give_up() {
    say "$1"
    if [ -n "$before" ]; then
        say "going back to what $before holds"
        rolled_back=failed
        if restore "$before" "$work/names" && verify_pods; then
            ignore_signals
            rolled_back=yes
            forget_set "$kept"
        fi
    else
        say "there is nothing earlier to go back to"
    fi
    audit
    [ "$rolled_back" = yes ] ||
        not_rolled_back "the rollout of $shown has failed; rolled back: $rolled_back." \
            "See what runs: ./deploy.sh status $overlay; back: $(way_back)"
    went_back "the rollout of $shown has failed; rolled back: yes"
}
