#!/usr/bin/env bash
# Makes a Docker Engine answer at /var/run/docker.sock, on Debian, as root: installs it, Compose, git, ssh, and the
# registry, the sshd and the nginx that tests start, when they are not there, starts it when it does not run, and
# returns when it answers. It runs on until its pid, in /var/run/docker.pid, is ended.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

socket=/var/run/docker.sock
log=/var/log/dockerd.log

answers() {
    curl --silent --fail --max-time 2 --output /dev/null --unix-socket "$socket" http://docker/_ping
}

packages=()
if ! answers && { ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; }; then
    packages+=(docker.io iptables)
fi
if ! command -v docker-compose >/dev/null && ! docker compose version >/dev/null 2>&1; then
    packages+=(docker-compose)
fi
if ! command -v docker-registry >/dev/null; then
    packages+=(docker-registry)
    # The package's service would listen on every address.
    mkdir --parents /etc/systemd/system
    ln --symbolic --force /dev/null /etc/systemd/system/docker-registry.service
fi
# krane fetches sources with git and ssh.
if ! command -v git >/dev/null || ! command -v ssh >/dev/null; then
    packages+=(git openssh-client)
fi
if ! command -v sshd >/dev/null; then
    packages+=(openssh-server)
    # The package's service would listen on every address. Debian starts no sshd while this file exists.
    mkdir --parents /etc/ssh
    touch /etc/ssh/sshd_not_to_be_run
fi
# Some tests have it in front of the gateway.
if ! command -v nginx >/dev/null; then
    packages+=(nginx)
    # The package's service would listen on every address.
    mkdir --parents /etc/systemd/system
    ln --symbolic --force /dev/null /etc/systemd/system/nginx.service
fi
if ((${#packages[@]})); then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
if answers; then
    exit 0
fi
# After a SIGKILL these files name dead processes, and the engine would wait for them.
rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
setsid dockerd --live-restore --log-level=warn >"$log" 2>&1 </dev/null &
for _ in {1..150}; do
    if answers; then
        exit 0
    fi
    sleep 0.2
done
tail -n 20 "$log" >&2
echo "dockerd did not answer within 30 s" >&2
exit 1
