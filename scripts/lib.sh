# Sourced by the scripts beside it: where things are, and who runs the servers.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD_DIR:-$root/build}
pg_config=${PG_CONFIG:-pg_config}
export BUILD_DIR=$build PG_CONFIG=$pg_config

say() { printf '== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# PostgreSQL refuses to run as root: the account for its servers, made if there is none.
server_user() {
    is_root || { id -un; return; }
    id -u postgres >/dev/null 2>&1 && { echo postgres; return; }
    id -u tsdb >/dev/null 2>&1 || useradd --system --shell /bin/sh tsdb
    echo tsdb
}

as_server_user() {
    is_root || { "$@"; return; }
    local user
    user=$(server_user)
    setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups env HOME="$build" "$@"
}

# A checkout that the server's account cannot enter (below /root, say) is worked on in a
# copy; the calling script starts again there, with the same arguments.
work_where_server_can() {
    if ! is_root || as_server_user test -x "$root/scripts"; then
        return 0
    fi
    local copy
    copy=/var/tmp/tsdb-$(cksum <<<"$root" | cut -d' ' -f1)
    say "account $(server_user) cannot enter $root: working in a copy, $copy"
    mkdir -p "$copy"
    chmod 755 "$copy"
    find "$copy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
    tar -C "$root" --exclude=./build --exclude=./.git -cf - . | tar -C "$copy" -xf -
    unset BUILD_DIR
    cd "$copy"
    exec "$copy/scripts/${0##*/}" "$@"
}

# Build, install, and check that the server's library is the one just built.
build_and_install() {
    make -C "$root" -s -j"$(nproc)" all
    if [ -w "$("$pg_config" --pkglibdir)" ]; then
        make -C "$root" -s install >/dev/null
    elif ! cmp -s "$root/tsdb.so" "$("$pg_config" --pkglibdir)/tsdb.so"; then
        die "cannot install into $("$pg_config" --pkglibdir): run 'make install' as its owner first"
    fi
}
