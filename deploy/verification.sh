# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # parts share their variables
# Whether the pods that run do their work.

PODS='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
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

# Every pod is well; who leads has pushed; nobody logs more errors than the pods before, in as long a time.
verify_pods() {
    pods=$(pods) || return
    [ -n "$pods" ] || complain "there are no pods" || return
    leaders=0
    for pod in $pods; do
        said=$(kube exec "$pod" --container pyth-keeper -- keeper verify --pid 1 --within "$verify_s") || {
            printf '%s\n' "$said" >&2
            complain "$pod does not do its work"
            return
        }
        printf '%s\n' "$said" | sed "s/^/$pod: /"
        case $said in *' leads, '* | *'dry run'*) leaders=$((leaders + 1)) ;; esac
        window_s=$(($(date +%s) - ${began:-0} + 1))
        [ $window_s -le $USUAL_S ] || window_s=$USUAL_S
        count_errors "$pod" $window_s || complain "the log of $pod cannot be read" || return
        fine=$((${usual:-0} * window_s / USUAL_S + errors_allowed))
        [ "$errors" -le $fine ] ||
            complain "$pod has logged $errors errors in $window_s s, where $fine would be no spike" || return
    done
    [ $leaders -gt 0 ] || complain "no pod leads"
}
