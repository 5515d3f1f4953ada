# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# Whether the pods that run do their work.

# All but those that end or have ended.
PODS='{{range .items}}{{if not (or .metadata.deletionTimestamp (eq .status.phase "Succeeded" "Failed"))}}'
PODS=$PODS'{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
USUAL_S=600 # the time before a rollout whose errors count as usual

pods() { kube get pods --selector app=pyth-keeper --output "go-template=$PODS"; }

# Sets $usual, the most errors that a pod logged in the last $USUAL_S seconds, and starts the clock of the rollout.
count_errors_before() {
    usual=0
    before_pods=$(pods) || complain "the pods that run are not told" || return
    for pod in $before_pods; do
        count_errors "$pod" $USUAL_S || errors=0 # of one that does not even start nothing is known
        [ "$errors" -le "$usual" ] || usual=$errors
    done
    began=$(date +%s)
}

# Sets $errors to those that pod $1 logged in the last $2 seconds.
count_errors() {
    log=$(kube logs "$1" --container pyth-keeper --since="${2}s") || return
    errors=$(printf '%s\n' "$log" | grep -cE '"level": *"(error|critical)"') || true
}

# Whether the pods that run do their work. After a rollout they are its own: no older one may lead any more.
verify_pods() {
    verify_until=$(($(date +%s) + verify_s)) tries=3
    until ask_pods; do
        tries=$((tries - 1))
        if [ -n "$unled" ] && [ "$(date +%s)" -lt $verify_until ]; then
            sleep 2 # who leads has changed between two answers
        elif [ -z "$unled" ] && [ $tries -gt 0 ] && [ "$(pods)" != "$pods" ]; then
            say "pods have come or gone meanwhile: those that are there now are asked"
        else
            [ -z "$unled" ] || say "no pod leads $unled"
            return 1
        fi
    done
}

# Every pod is well; who leads has pushed; nobody logs more errors than the pods before, in as long a time. Sets $unled,
# the networks that none of them leads, where that alone is missing.
ask_pods() {
    unled=''
    : >"$work/heard"
    pods=$(pods) || return
    [ -n "$pods" ] || complain "there are no pods: is the Deployment scaled to 0?" || return
    set -- --within "$verify_s"
    for pod in $pods; do
        set -- "$@" --leader "$pod"
    done
    for pod in $pods; do
        kube_long exec "$pod" --container pyth-keeper -- keeper verify --pid 1 "$@" >"$work/said" || {
            cat "$work/said" >&2
            complain "$pod does not do its work"
            return
        }
        sed "s/^/$pod: /" "$work/said"
        cat "$work/said" >>"$work/heard"
        window_s=$(($(date +%s) - ${began:-0} + 1))
        [ $window_s -le $USUAL_S ] || window_s=$USUAL_S
        count_errors "$pod" $window_s || complain "the log of $pod cannot be read" || return
        fine=$((${usual:-0} * window_s / USUAL_S + errors_allowed))
        [ "$errors" -le $fine ] ||
            complain "$pod has logged $errors errors in $window_s s, where $fine would be no spike" || return
    done
    unled=$(unled)
    [ -z "$unled" ]
}

# The networks of which pods tell, and none that it leads.
unled() {
    awk '/^ok +network / {told[$3]; if ($4 != "stands") led[$3]; any = 1}
        END {if (!any) print "any network"; for (name in told) if (!(name in led)) print name}' "$work/heard" | tr '\n' ' '
}
