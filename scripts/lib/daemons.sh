# Processes, ports and settings of scripts/services (sourced by it). Linux only: it reads /proc.
# shellcheck shell=bash disable=SC2154

# launch NAME FOLDER COMMAND…: starts a daemon in FOLDER as the leader of its own session and notes its pid.
# The folder is how we know our own process again after a reboot has given its pid to somebody else.
launch() {
    local name=$1 folder=$2
    shift 2
    (
        cd "$folder" || exit
        exec setsid "$@" </dev/null >>"$home/logs/$name.log" 2>&1 9>&-
    ) &
    echo "$!" >"$home/$name.pid"
}

# The living processes of the daemon's session.
members() {
    local leader line stat pid fields
    leader=$(cat "$home/$1.pid" 2>/dev/null) || return 0
    for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$stat" || continue
        # After the name in parentheses: state, parent, group, session. A zombie has ended.
        read -ra fields <<<"${line##*) }"
        if [[ ${fields[3]} == "$leader" && ${fields[0]} != Z ]]; then
            pid=${stat#/proc/}
            pid=${pid%/stat}
            case $(readlink "/proc/$pid/cwd") in
            "$home"/* | "$postgres_elsewhere"*) echo "$pid" ;;
            esac
        fi
    done 2>/dev/null
}

# The same and, of PostgreSQL, its children: each leads a session of its own. They work in its data folder.
family() {
    local link pid
    members "$1"
    [[ $1 == postgres ]] || return 0
    find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$home/postgres/*" -o -lname "$postgres_elsewhere/*" \) 2>/dev/null |
        while read -r link; do
            pid=${link#/proc/}
            pid=${pid%/cwd}
            [[ $(cat "/proc/$pid/comm" 2>/dev/null) != postgres ]] || echo "$pid"
        done
}

alive() { [[ -n $(members "$1") ]]; }

# halt NAME…: asks all of them to end, waits for 15 s, then ends them.
halt() {
    local name pid deadline=$((SECONDS + 15))
    for name in "$@"; do
        for pid in $(members "$name"); do
            if [[ $name != postgres ]]; then
                kill -TERM "$pid" 2>/dev/null || true
            elif [[ $pid == "$(<"$home/$name.pid")" ]]; then
                # PostgreSQL's fast shutdown; TERM would wait for its clients.
                kill -INT "$pid" 2>/dev/null || true
            fi
        done
    done
    for name in "$@"; do
        while alive "$name"; do
            if ((SECONDS >= deadline)); then
                say "$name does not end by itself: killing it"
                for pid in $(members "$name"); do
                    kill -KILL "$pid" 2>/dev/null || true
                done
                deadline=$((SECONDS + 5))
                sleep 0.5
                ! alive "$name" || break
            fi
            sleep 0.1
        done
    done
}

# Ends what else of ours lives in our folders: Erlang's port programs have sessions of their own and outlive the node by
# a moment, and `cargo clean` deletes the pid files of running services.
end_strays() {
    local links link pid
    links=$(find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$home/*" -o -lname "$postgres_elsewhere*" \) 2>/dev/null) || true
    for link in $links; do
        pid=${link#/proc/}
        pid=${pid%/cwd}
        case $(cat "/proc/$pid/comm" 2>/dev/null) in
        beam.smp | erl_child_setup | inet_gethost | epmd | redis-server | postgres)
            kill -KILL "$pid" 2>/dev/null || true
            ;;
        esac
    done
}

# Ports and password, made at the first start and kept until `stop`.
load_settings() {
    if [[ ! -e $home/settings ]]; then
        end_strays
        rm -f "$home"/logs/*
        password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        # One at a time, or two instances take the same ports.
        exec 8>"$root/target/services.lock"
        flock -w 60 8 || fail "another scripts/services has been choosing ports for a minute"
        # Below the range from which the kernel takes the ports of outgoing connections.
        amqp_port=$(free_port 27672)
        management_port=$(free_port 27673)
        distribution_port=$(free_port 27674)
        epmd_port=$(free_port 27675)
        redis_port=$(free_port 27379)
        postgres_port=$(free_port 27432)
        declare -p password amqp_port management_port distribution_port epmd_port redis_port postgres_port |
            sed 's/^declare -- //' >"$home/settings.new"
        mv "$home/settings.new" "$home/settings"
        exec 8>&-
    fi
    # shellcheck disable=SC1091
    source "$home/settings"
}

# free_port FIRST: one of the 200 ports from FIRST on in steps of ten, on which nobody listens and which no other instance
# has chosen. Where the search begins depends on the folder: two checkouts that start at the same time see nothing of each
# other yet.
free_port() {
    local port step begin
    begin=$(printf '%s' "$root" | cksum | cut -d ' ' -f 1)
    for ((step = 0; step < 200; step++)); do
        port=$(($1 + (begin + step) % 200 * 10))
        if ! grep -qs "\"$port\"" "$root"/target/services*/settings && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    fail "no free port from $1 on"
}
