# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# What is asked of a system that runs, and the way back.

# Sets $target, $rest and $dry by the arguments of verify, status, rollback and logs.
target_options() {
    target='' rest='' yes=''
    while [ "$#" -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --yes) yes=yes ;;
        -*) unknown_option "$1" ;;
        pyth-keeper-set-*) one_word "$rest" "$1" && rest=$1 ;;
        *[!0-9]* | '') one_word "$target" "$1" && target=$1 ;;
        *) one_word "$rest" "$1" && rest=$1 ;;
        esac
        shift
    done
    named=$target
    target=${target:-production}
    [ "$target" = docker ] || choose "$target"
}

# That no revision was named where there is none to name.
no_revision() { [ -z "$rest" ] || wrong "one word too many: '$rest'"; }

verify_target() {
    target_options "$@"
    no_revision
    if [ "$target" = docker ]; then
        run docker compose exec -T keeper keeper verify --pid 1 || not_working "the keeper does not do its work"
    elif [ -n "$dry" ]; then
        kube exec EACH-POD --container pyth-keeper -- keeper verify --pid 1 --within "$verify_s" --leader EACH-POD
    else
        make_work
        verify_pods || not_working "$target does not do its work"
    fi
}

show_target() {
    target_options "$@"
    no_revision
    if [ "$target" = docker ]; then
        run docker compose ps
        run docker compose exec -T keeper keeper status --once
    else
        kube get deployments,pods,horizontalpodautoscalers --selector app=pyth-keeper --output wide
        kube rollout history "$DEPLOYMENT"
        kube get configmaps --selector "$SET_LABEL" --label-columns "$SET_LABEL,pyth-keeper/revision"
        kube get "$DEPLOYMENT" --output 'jsonpath={.metadata.annotations.pyth-keeper/rollout}{"\n"}'
        kube exec "$DEPLOYMENT" --container pyth-keeper -- keeper status --once
    fi
}

roll_back() {
    target_options "$@"
    [ "$target" != docker ] || wrong "compose keeps no earlier revision: build an earlier commit, and ./deploy.sh docker"
    [ -n "$named" ] || confirm "this rolls back production"
    if [ -n "$dry" ]; then
        kube get configmaps --selector "$SET_LABEL"
        kube apply --server-side --force-conflicts --filename SET
        wait_for_pods
        return
    fi
    make_work
    action=rollback preflight=none verification=failed rolled_back=failed
    watch_signals
    tell_where
    began=$(date +%s)
    find_target
    before=$goal
    say "$overlay goes back to what $goal holds"
    if ! { restore "$goal" "$work/abandoned" && verify_pods; }; then
        audit
        not_rolled_back "the rollback has failed. See what runs: ./deploy.sh status $target; again: $(way_back)"
    fi
    ignore_signals
    verification=passed rolled_back=yes
    if [ "$goal" != "$DEPLOYMENT" ]; then
        shown=$(manifests image <"$work/restored.yaml")
        cp "$work/restored.yaml" "$work/manifests.yaml"
        { keep_set && confirm_set; } || say "what runs now cannot be kept: the next rollback will ask for a revision"
    fi
    audit
    say "$target runs what $goal holds, revision $(revision)"
}

# Sets $goal, the set to bring back, and makes $work/abandoned, the names of what the newest one holds.
find_target() {
    sets >"$work/sorted" || preflight_failed "the manifests of earlier rollouts cannot be read: is the cluster reached?"
    case $rest in
    '')
        last_runs || preflight_failed "nothing was changed: name what to go back to:" \
            "./deploy.sh status $target tells revisions and sets, ./deploy.sh rollback $target takes either"
        goal=$(awk 'NR == 1 {last = $4; next} $2 == "verified" && $4 != last {print $1; exit}' "$work/sorted")
        ;;
    *[!0-9]*)
        goal=$(awk -v to="$rest" '$2 == "verified" && $1 == to {print $1}' "$work/sorted")
        [ -n "$goal" ] || preflight_failed "$rest is not kept, or was never verified: nothing was changed"
        ;;
    *)
        goal=$(awk -v to="$rest" '$2 == "verified" && $3 == to {printf "%s%s", gap, $1; gap = " "}' "$work/sorted")
        case $goal in
        *' '*) preflight_failed "nothing was changed: several sets are of revision $rest, name one of them: $goal" ;;
        esac
        ;;
    esac
    undo_to=$rest
    newest=$(awk 'NR == 1 {print $1}' "$work/sorted")
    : >"$work/abandoned"
    if [ -z "$goal" ]; then
        goal=$DEPLOYMENT
        say "no manifests of ${rest:+revision }${rest:-an earlier rollout} are kept: only the Deployment goes back"
        kube rollout undo "$DEPLOYMENT" ${undo_to:+"--to-revision=$undo_to"} --dry-run=server >/dev/null ||
            preflight_failed "there is nothing to go back to: nothing was changed"
    elif read_set "$newest"; then
        manifests names <"$work/restored.yaml" >"$work/abandoned"
    else
        say "$newest cannot be read: what it has added stays"
    fi
}

show_logs() {
    target_options "$@"
    no_revision
    if [ "$target" = docker ]; then
        run docker compose logs --follow --tail 100 keeper
    else
        kube logs --selector app=pyth-keeper --container pyth-keeper --prefix --follow --tail 100 --max-log-requests 20
    fi
}
