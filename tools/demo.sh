#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# make demo: three nodes on this machine keep a key-value store by Raft, durably; the leader is killed, and the store
# goes on; the members write snapshots and cut their logs; a fourth node joins from a snapshot, and another leaves.
# Stays until Ctrl-C. Every step is checked, and waits for what it needs to see, with a deadline.
#
#   ONCE=1    end after the last step: 0 if all went well, else 1 with what went wrong
#   PORTS=N   the nodes listen on N to N+3 of 127.0.0.1 (default 7101)
#   DATA=DIR  where the nodes keep their data (default ./demo-data); made by the demo, or not there at all
#   BIN=DIR   where zraftd and zraft are (default build/release/bin)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

bin=${BIN:-build/release/bin}
data=${DATA:-demo-data}
first_port=${PORTS:-7101}
marker=$data/.made-by-zraft-demo
patience=15 # seconds that any one step may take
declare -A pid=()
nodes=(n1 n2 n3)
newcomer=n4
# So small that the demo sees snapshots; in earnest it is 100000 entries and some mebibytes of log.
settings=(--max_log_count 500 --log_bytes_retained 4K)

port_of() { echo $((first_port + ${1#n} - 1)); }
address_of() { echo "127.0.0.1:$(port_of "$1")"; }
peer_of() { echo "$1@$(address_of "$1")"; }
say() { printf '\n== %s\n' "$*"; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

fail() {
  printf '\ndemo: FAILED: %s\n' "$*" >&2
  for node in "${nodes[@]}"; do
    [[ -s $data/$node.log ]] && { echo "--- the last lines of $data/$node.log" && tail -n 5 "$data/$node.log"; } >&2
  done
  exit 1
}

is_running() { [[ -n ${pid[$1]:-} ]] && kill -0 "${pid[$1]}" 2>/dev/null; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# until_true WHAT COMMAND...: runs it again and again until it succeeds; fails after the patience.
until_true() {
  local what=$1 end=$(($(milliseconds) + patience * 1000))
  shift
  until "$@"; do
    (($(milliseconds) < end)) || fail "$what (waited $patience s)"
    sleep 0.05
  done
}

stop_all() {
  trap - EXIT INT TERM
  for node in "${!pid[@]}"; do kill -TERM "${pid[$node]}" 2>/dev/null; done
  local end=$(($(milliseconds) + 5000))
  for node in "${!pid[@]}"; do
    while is_running "$node" && (($(milliseconds) < end)); do sleep 0.05; done
    kill -KILL "${pid[$node]}" 2>/dev/null
    wait "${pid[$node]}" 2>/dev/null
  done
}

start() {
  local node=$1
  "$bin/zraftd" --name "$node" --listen "$(address_of "$node")" --data "$data/$node" "${settings[@]}" \
    >>"$data/$node.log" 2>&1 &
  pid[$node]=$!
  until_true "$node did not begin to listen on $(address_of "$node")" listens_or_died "$node"
}
listens_or_died() {
  is_running "$1" || fail "$1 ended instead of listening on $(address_of "$1")"
  answers "$(port_of "$1")"
}

# Shows the command as one would type it, then runs it.
run() {
  local word
  printf '$ zraft'
  for word; do [[ $word == *[[:space:]]* ]] && printf ' "%s"' "$word" || printf ' %s' "$word"; done
  printf '\n'
  "$bin/zraft" "$@"
}

# status COLUMN NODE: one cell of the table of `zraft status`, found by its heading.
status() {
  "$bin/zraft" status 2>/dev/null | awk -v column="$1" -v node="$2" '
    NR == 1 { for (i = 1; i <= NF; i++) at[tolower($i)] = i; next }
    at[column] && index($0, node "@") { print $at[column]; exit }'
}
leader() {
  for node in "${nodes[@]}"; do [[ $(status role "$node") == leader ]] && echo "$node" && return; done
  return 1
}
# member_count: how many members the leader counts.
member_count() { "$bin/zraft" members kv 2>/dev/null | awk 'NR > 1' | wc -l; }
has_leader() { [[ -n $(leader) ]]; }
has_caught_up() {
  local chief behind
  chief=$(status applied "$(leader)") behind=$(status applied "$1")
  [[ -n $chief && $chief == "$behind" && $chief == $(status commit "$1") ]]
}
# has_snapshot NODE: it has one, and its log does not go back to the beginning any more.
has_snapshot() { [[ $(status snapshot "$1") =~ ^[1-9] && $(status first "$1") -gt 1 ]]; }
expect_value() {
  local key=$1 wanted=$2 found
  found=$(run get "$key" | tee /dev/stderr | tail -n 1) || true
  [[ $found == "$wanted" ]] || fail "get $key gave '$found', not '$wanted'"
}

prepare() {
  for program in zraftd zraft; do
    [[ -x $bin/$program ]] || fail "$bin/$program is not there: run \`make demo\`, which builds it"
  done
  for node in "${nodes[@]}" "$newcomer"; do
    if answers "$(port_of "$node")"; then
      fail "port $(port_of "$node") of 127.0.0.1 is in use (another demo?): end that program, or give other ports:" \
        "make demo PORTS=7201"
    fi
  done
  if [[ -e $data && ! -e $marker ]]; then
    fail "$data is there and was not made by the demo: move it away, or give another place: make demo DATA=demo-data-2"
  fi
  rm -rf "$data"
  mkdir -p "$data" && touch "$marker" || fail "cannot make the directory $data"
}

trap 'exit 130' INT TERM
trap stop_all EXIT
prepare
ZRAFT_HOSTS=$(IFS=,; echo "$(address_of n1),$(address_of n2),$(address_of n3)")
export ZRAFT_HOSTS ZRAFT_GROUP=kv

say "three nodes on loopback, data under $data/"
for node in "${nodes[@]}"; do
  start "$node"
  echo "$node listens on $(address_of "$node"), process ${pid[$node]}"
done

say "a group kv with a member on each"
run create kv "$(peer_of n1)" "$(peer_of n2)" "$(peer_of n3)" || fail "the group was not created"
until_true "no leader was elected" has_leader

say "write and read"
run put greeting hello || fail "the first write did not succeed"
run put colour blue || fail "the second write did not succeed"
expect_value greeting hello

chief=$(leader)
say "SIGKILL to the leader, $chief (process ${pid[$chief]})"
kill -KILL "${pid[$chief]}"
wait "${pid[$chief]}" 2>/dev/null
begin=$(milliseconds)
run put greeting "hello again" || fail "no write succeeded after the leader was killed"
echo "written $(($(milliseconds) - begin)) ms after the kill; what was acknowledged before is still there:"
expect_value greeting "hello again"
expect_value colour blue
until_true "no other leader is shown" has_leader
echo "$(leader) leads now"

say "$chief comes back"
start "$chief"
until_true "$chief did not catch up" has_caught_up "$chief"
echo "$chief has applied all that the leader has"

say "many writes: the members write snapshots, and cut their logs"
run bench --op mixed --seconds 1 --clients 16 --keys 1000 || fail "the bench did not succeed"
for node in "${nodes[@]}"; do until_true "$node has no snapshot" has_snapshot "$node"; done
run snapshot take kv || fail "no snapshot was taken"
run status || fail "no status"

say "a fourth node, $newcomer, joins: what is no longer in the log it gets as a snapshot"
start "$newcomer"
nodes+=("$newcomer")
ZRAFT_HOSTS+=,$(address_of "$newcomer")
run add kv "$(peer_of "$newcomer")" || fail "$newcomer was not added"
until_true "$newcomer did not catch up" has_caught_up "$newcomer"
installed=$(grep -o 'has installed the snapshot up to .*' "$data/$newcomer.log") || fail "$newcomer got no snapshot"
echo "$newcomer $installed"
leaving=$(leader)
say "$leaving leaves, the leader of now"
run remove kv "$(peer_of "$leaving")" || fail "$leaving was not removed"
until_true "no leader is shown" has_leader
[[ $(member_count) == 3 ]] || fail "the group has $(member_count) members, not 3"
run members kv || fail "no members"
run put greeting "hello without $leaving" || fail "no write succeeded after $leaving was removed"
expect_value greeting "hello without $leaving"
expect_value colour blue

say "a key that lives with its session, and a watch that tells when it goes"
# begin OUTPUT COMMAND...: runs it beside the demo, which ends it.
begin() {
  local output=$1
  shift
  printf '$ zraft %s &\n' "$*"
  "$bin/zraft" "$@" >"$output" 2>&1 &
}
begin "$data/watch.txt" --output json watch --prefix who/
watching=$!
pid[watch]=$watching
until_true "the watch was not set" grep -q watching "$data/watch.txt"
begin "$data/elect.txt" elect who "the owner" --session-timeout 1
owner=$!
pid[owner]=$owner
until_true "nobody was elected" grep -q 'is elected' "$data/elect.txt"
run scan who/ || fail "no scan"
echo "SIGKILL to its owner (process $owner)"
kill -KILL "$owner"
wait "$owner" 2>/dev/null
until_true "the key of an owner that is gone is still there" grep -q '"expired":true' "$data/watch.txt"
[[ $("$bin/zraft" count who/) == 0 ]] || fail "the key of an owner that is gone is still there"
echo "the key is gone, and the watch was told:"
tail -n 1 "$data/watch.txt"
kill "$watching"

say "the nodes"
run status || fail "no status"

if [[ -n ${ONCE:-} ]]; then
  printf '\ndemo: all went well\n'
  exit 0
fi
cat <<END

== try it by hand, in another terminal
export ZRAFT_HOSTS=$ZRAFT_HOSTS
$bin/zraft put KEY VALUE
$bin/zraft get KEY
$bin/zraft scan '' --limit 10
$bin/zraft status
$bin/zraft members kv
$bin/zraft destroy kv $(peer_of "$leaving")       # what $leaving has kept
$bin/zraft add kv $(peer_of "$leaving")           # and it comes back
$bin/zraft transfer kv
kill -9 ${pid[$(leader)]}        # the leader, $(leader); then write on
The nodes' logs are $data/n*.log. Ctrl-C ends the demo.
END
while true; do
  wait -n
  for node in "${nodes[@]}"; do
    [[ -n ${pid[$node]:-} ]] || continue
    is_running "$node" && continue
    unset "pid[$node]"
    printf '%s has ended; to bring it back: %s\n' "$node" \
      "$bin/zraftd --name $node --listen $(address_of "$node") --data $data/$node ${settings[*]}"
  done
  if [[ ${#pid[@]} -eq 0 ]]; then
    echo "no node is left"
    exit 0
  fi
done
