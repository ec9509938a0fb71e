# How scripts/services finds, starts and asks each of its services (sourced by it).
# shellcheck shell=bash disable=SC2154

# As root PostgreSQL runs as `postgres`, who may be unable to enter the checkout; then its data is here.
postgres_elsewhere=/var/tmp/kefu-$id-postgres

# Sets `rabbitmq_bin`, `postgres_bin` and `epmd`; installs the packages whose programs are missing, where it may.
find_programs() {
    local missing
    missing=$(missing_packages)
    if [[ -n $missing ]]; then
        local sudo=()
        if ((EUID != 0)); then
            sudo=(sudo -n)
        fi
        if ! command -v apt-get >/dev/null || ! "${sudo[@]}" true 2>/dev/null; then
            say "not installed: $missing"
            say "install them (Debian, Ubuntu: sudo apt-get install --no-install-recommends $missing),"
            fail "or use containers: docker compose -f deploy/compose.yaml up -d --wait (the variables to set stand in that file)"
        fi
        say "installing $missing"
        # shellcheck disable=SC2086
        "${sudo[@]}" bash "$root/scripts/lib/install" $missing >&2 9>&- || fail "apt-get could not install $missing"
        missing=$(missing_packages)
        [[ -z $missing ]] || fail "still missing after the installation: $missing"
    fi
    rabbitmq_bin=$(dirname "$(first_program rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server)")
    postgres_bin=$(dirname "$(first_program postgres /usr/lib/postgresql/*/bin/postgres)")
    epmd=$(first_program epmd /usr/lib/erlang/erts-*/bin/epmd)
}

missing_packages() {
    local missing=()
    first_program rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server >/dev/null || missing+=(rabbitmq-server)
    first_program redis-server >/dev/null || missing+=(redis-server)
    first_program postgres /usr/lib/postgresql/*/bin/postgres >/dev/null || missing+=(postgresql)
    echo "${missing[*]}"
}

# first_program NAME PATH…: the newest of PATHs that exists, else NAME from PATH.
# Paths go first: Debian's /usr/sbin/rabbitmq-server insists on the user and folders of the system's instance.
first_program() {
    local name=$1 path newest=
    shift
    for path in $(printf '%s\n' "$@" | sort -V); do
        [[ ! -x $path ]] || newest=$path
    done
    if [[ -n $newest ]]; then echo "$newest"; else command -v "$name"; fi
}

# Sets `environment`: the variables of the node and of who talks to it, as a command.
rabbitmq_environment() {
    local folder=$home/rabbitmq cores
    cores=$(nproc)
    environment=(
        env -i PATH="$PATH" LANG=C.UTF-8 HOME="$folder" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd_port"
        RABBITMQ_NODENAME="kefu-$id@localhost" RABBITMQ_DIST_PORT="$distribution_port"
        RABBITMQ_CONF_ENV_FILE="$folder/env.conf" RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf"
        RABBITMQ_CONFIG_FILES="$folder/conf.d" RABBITMQ_ADVANCED_CONFIG_FILE="$folder/advanced.config"
        RABBITMQ_ENABLED_PLUGINS_FILE="$folder/enabled_plugins" RABBITMQ_MNESIA_BASE="$folder/mnesia"
        RABBITMQ_GENERATED_CONFIG_DIR="$folder/generated" RABBITMQ_SCHEMA_DIR="$folder/schema"
        RABBITMQ_LOG_BASE="$home/logs" RABBITMQ_PID_FILE="$folder/node.pid"
        # Few schedulers that do not spin: the machine is shared with a build and the tests.
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S $((cores < 4 ? cores : 4)) +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
    )
}

rabbitmqctl() {
    rabbitmq_environment
    (cd "$home/rabbitmq" && "${environment[@]}" "$rabbitmq_bin/rabbitmqctl" --quiet "$@")
}

start_rabbitmq() {
    local folder=$home/rabbitmq
    mkdir -p "$folder/conf.d"
    cat >"$folder/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$amqp_port
management.tcp.ip = 127.0.0.1
management.tcp.port = $management_port
default_user = kefu
default_pass = $password
default_vhost = /
# The default of 512 MB wants three times as much memory.
raft.wal_max_size_bytes = 64000000
disk_free_limit.absolute = 200MB
log.file = $home/logs/rabbitmq-node.log
log.file.level = info
CONF
    echo '[rabbitmq_management].' >"$folder/enabled_plugins"
    echo '[].' >"$folder/advanced.config"
    : >"$folder/env.conf"
    rabbitmq_environment
    # Our own port mapper, in the foreground: RabbitMQ would start one that outlives it.
    alive epmd || launch epmd "$folder" "$epmd" -port "$epmd_port" -address 127.0.0.1
    until port_open "$epmd_port"; do
        alive epmd || fail "epmd ended at once; see $home/logs/epmd.log"
        sleep 0.05
    done
    # Containers may allow a billion files, and Erlang's tables grow with that limit.
    ulimit -n 65536 2>/dev/null || true
    launch rabbitmq "$folder" "${environment[@]}" "$rabbitmq_bin/rabbitmq-server"
}

rabbitmq_answers() (
    exec 3<>"/dev/tcp/127.0.0.1/$amqp_port" || exit 1
    printf 'AMQP\0\0\011\001' >&3
    LC_ALL=C read -r -t 5 -N 1 _ <&3 || exit 1
    exec 3<>"/dev/tcp/127.0.0.1/$management_port" || exit 1
    printf 'GET /api/whoami HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$(printf 'kefu:%s' "$password" | base64 -w 0)" >&3
    read -r -t 5 answer <&3 && [[ $answer == *' 200 '* ]]
)

print_rabbitmq_env() {
    printf "export AMQP_URL='amqp://kefu:%s@127.0.0.1:%s/%%2f'\n" "$password" "$amqp_port"
    printf "export RABBITMQ_MANAGEMENT_URL='http://kefu:%s@127.0.0.1:%s'\n" "$password" "$management_port"
}

start_redis() {
    local folder=$home/redis
    mkdir -p "$folder"
    cat >"$folder/redis.conf" <<CONF
bind 127.0.0.1
port $redis_port
dir "$folder"
requirepass $password
save ""
appendonly no
CONF
    launch redis "$folder" redis-server "$folder/redis.conf"
}

redis_answers() (
    exec 3<>"/dev/tcp/127.0.0.1/$redis_port" || exit 1
    printf 'AUTH %s\r\nPING\r\n' "$password" >&3
    read -r -t 5 _ <&3 && read -r -t 5 answer <&3 && [[ $answer == +PONG* ]]
)

print_redis_env() { printf "export REDIS_URL='redis://default:%s@127.0.0.1:%s/0'\n" "$password" "$redis_port"; }

start_postgres() {
    local folder=$home/postgres owner=()
    mkdir -p "$folder"
    if ((EUID == 0)); then
        owner=(setpriv --reuid=postgres --regid=postgres --init-groups --)
        chown postgres: "$folder"
        if ! "${owner[@]}" test -w "$folder"; then
            folder=$postgres_elsewhere
            [[ -d $folder ]] || mkdir "$folder"
            [[ ! -L $folder && $(stat -c %U "$folder") =~ ^(root|postgres)$ ]] || fail "$folder belongs to somebody else"
            chown postgres: "$folder"
        fi
    fi
    if [[ ! -e $folder/data/ready ]]; then
        make_cluster "$folder" "${owner[@]}" >>"$home/logs/postgres.log" 2>&1 9>&- ||
            fail "could not make the PostgreSQL cluster; see $home/logs/postgres.log"
    fi
    # Killed, it leaves its lock behind, and where nobody collects dead processes it takes that for a living one.
    [[ -n $(family postgres) ]] || rm -f "$folder/data/postmaster.pid"
    launch postgres "$folder" "${owner[@]}" "$postgres_bin/postgres" -D "$folder/data"
}

# make_cluster FOLDER OWNER…: an empty cluster with the superuser and database `kefu`.
make_cluster() (
    local folder=$1
    shift
    cd "$folder" && rm -rf data &&
        # A file, because `postgres` may not open a pipe of ours by its name.
        printf '%s\n' "$password" | "$@" tee password >/dev/null &&
        "$@" "$postgres_bin/initdb" --pgdata=data --username=kefu --pwfile=password \
            --auth=scram-sha-256 --encoding=UTF8 --locale=C &&
        cat >>data/postgresql.conf <<CONF &&
listen_addresses = '127.0.0.1'
port = $postgres_port
# A path under target can be longer than a socket's name may be.
unix_socket_directories = ''
max_connections = 300
CONF
        echo 'CREATE DATABASE kefu' | "$@" "$postgres_bin/postgres" --single -D data postgres &&
        rm password && touch data/ready
)

postgres_answers() { "$postgres_bin/pg_isready" -q -t 5 -h 127.0.0.1 -p "$postgres_port" -U kefu -d kefu; }

print_postgres_env() {
    printf "export DATABASE_URL='postgres://kefu:%s@127.0.0.1:%s/kefu'\n" "$password" "$postgres_port"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
