#!/bin/sh
# Starts Ray on this machine, closed to strangers: whoever wants to compute, watch or join has to
# show the token; the dashboard listens on the loopback only (from elsewhere: ssh -L
# 8265:127.0.0.1:8265 HEAD); the token's file is its owner's alone; Ray never sees an API key.
#
#   cluster/start.sh head [options of ray start]
#   cluster/start.sh worker HEAD:PORT [options of ray start]
#
# The head makes a token where there is none, in ~/.ray/auth_token or RAY_AUTH_TOKEN_PATH. Workers
# and those who submit jobs need a copy of that file, or its content in RAY_AUTH_TOKEN, and
# RAY_AUTH_MODE=token.
set -eu
umask 077

fail() {
    printf 'Ray was not started: %s\n' "$*" >&2
    exit 1
}

ray="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/ray"
[ -x "$ray" ] || ray=$(command -v ray) || fail "there is no ray here; run cluster/setup.sh first."
# Jobs begin with "python", which has to be that of this environment, active or not.
PATH="$(dirname "$ray"):$PATH"
export PATH

token_file=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
make_token() {
    mkdir -p "$(dirname "$token_file")"
    # noclobber: of two that start at once one wins, and nobody's token is replaced.
    (set -C && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$token_file") 2>/dev/null || true
    [ -s "$token_file" ] || fail "no token could be written to $token_file."
}

role=${1:-}
[ $# -gt 0 ] && shift
case $role in
head)
    [ -n "${RAY_AUTH_TOKEN:-}" ] || [ -s "$token_file" ] || make_token
    set -- --head --dashboard-host=127.0.0.1 --disable-usage-stats "$@"
    ;;
worker)
    [ $# -gt 0 ] || fail "name the head: cluster/start.sh worker HEAD:PORT"
    [ -n "${RAY_AUTH_TOKEN:-}" ] || [ -s "$token_file" ] ||
        fail "$token_file is missing; copy the head's there."
    head=$1
    shift
    set -- --address="$head" --disable-usage-stats "$@"
    ;;
*) fail "say head or worker: cluster/start.sh head | worker HEAD:PORT [options of ray start]" ;;
esac
if [ -z "${RAY_AUTH_TOKEN:-}" ]; then
    chmod 600 "$token_file"
    export RAY_AUTH_TOKEN_PATH="$token_file"
fi

# Environments of workers stand in logs and on the dashboard.
unset GEMINI_API_KEY GOOGLE_API_KEY OPENAI_API_KEY
export RAY_AUTH_MODE=token
exec "$ray" start "$@"
