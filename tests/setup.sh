#!/bin/sh
# Installs what the test suite needs on Debian (as root): the build's linker, the fuzzers' compiler,
# the tools that make network namespaces, the FTP clients (one of them in Java: 265 MB), an ACME
# issuer, the FTP servers, and a daemon of home routers. Quick when all is there.
#
# Debian lets only one FTP server or inetd be installed at a time, so the servers are unpacked under
# target/peers and never installed or started on the machine itself.
set -eu

[ "$(id -u)" = 0 ] || { echo "tests/setup.sh must be run as root" >&2; exit 1; }
cd "$(dirname "$0")/.."
peers=target/peers
servers="vsftpd proftpd-core proftpd-mod-crypto pure-ftpd inetutils-ftpd openbsd-inetd xinetd
    miniupnpd-nftables"

# A command or file, and the package that brings it.
wanted="cc:gcc c++:g++ /usr/include/stdio.h:libc6-dev /etc/ssl/certs/ca-certificates.crt:ca-certificates
ip:iproute2 nft:nftables setpriv:util-linux curl:curl lftp:lftp ncftpget:ncftp tnftp:tnftp wget:wget
aria2c:aria2 rclone:rclone busybox:busybox dput:dput ftp-ssl:ftp-ssl
filezilla:filezilla Xvfb:xvfb xdotool:xdotool haproxy:haproxy openssl:openssl pebble:pebble javac:default-jdk-headless
/usr/bin/python3:python3 systemd-socket-activate:systemd"

missing=
for pair in $wanted; do
    what=${pair%%:*}
    [ -e "$what" ] || command -v "$what" >/dev/null || missing="$missing ${pair##*:}"
done
/usr/bin/python3 -c 'import pyftpdlib' 2>/dev/null || missing="$missing python3-pyftpdlib"
/usr/bin/python3 -c 'import OpenSSL' 2>/dev/null || missing="$missing python3-openssl"

unpacked() {
    for server in $servers; do
        [ -e "$peers/$server.done" ] || return 1
    done
}

export DEBIAN_FRONTEND=noninteractive
if [ -n "$missing" ] || ! unpacked; then
    apt-get update -qq
fi
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
fi
unpacked && exit 0

fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT
mkdir -p "$peers/root"
# apt downloads as a user of its own, which must be able to write here.
chmod 777 "$fetched"
for server in $servers; do
    (cd "$fetched" && apt-get download -qq "$server")
    package=$(echo "$fetched/$server"_*.deb)
    # Only the libraries: the rest of its dependencies would pull in an inetd or a syslogd.
    libraries=$(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/[|(].*//; s/ //g' |
        grep '^lib' | grep -v '^libpam-')
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends --no-upgrade $libraries >/dev/null
    dpkg-deb -x "$package" "$peers/root"
    touch "$peers/$server.done"
done
