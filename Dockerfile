# One image for all parts of interlock (krane, gateway agent, endpoint, ctrl) and the command line; the command chooses.
# Dependencies are those of pyproject.toml, pinned by hash in requirements.txt. krane needs git and ssh to fetch sources.
ARG BASE=docker.io/library/python:3.11.15-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

FROM ${BASE} AS dependencies
COPY pyproject.toml requirements.txt tools/uv-requirements.txt /build/
RUN python3 -m pip install --quiet --no-cache-dir --require-hashes -r /build/uv-requirements.txt
RUN python3 -m venv --without-pip /opt/interlock/venv \
 && python3 -m uv pip install --quiet --no-cache --compile-bytecode --python /opt/interlock/venv/bin/python \
    --require-hashes --constraint /build/requirements.txt --requirement /build/pyproject.toml

FROM ${BASE}
# Skips Debian's packages if the base image has git and ssh. The user gets a name because ssh needs one.
RUN { command -v git && command -v ssh; } >/dev/null \
 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends git openssh-client >/dev/null \
 && rm -rf /var/lib/apt/lists/*; }
RUN echo 'interlock:x:10001:10001::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
# The root file system is read-only, so modules that are not compiled now would be compiled at every start.
RUN python3 -m compileall -q "$(dirname "$(python3 -c 'import os; print(os.__file__)')")"
ENV PATH=/opt/interlock/venv/bin:$PATH PYTHONPATH=/opt/interlock PYTHONUNBUFFERED=1
COPY --from=dependencies /opt/interlock/venv /opt/interlock/venv
COPY services /opt/interlock/services
# A new volume gets the owner of the folder that it is first mounted at; docker-compose.yml mounts all volumes here first.
RUN python -m compileall -q /opt/interlock/services \
 && install -d -o 10001 -g 10001 -m 700 /prepare /prepare/gateway /prepare/krane /prepare/restate /prepare/identity /prepare/secrets
USER 10001:10001
CMD ["python", "-m", "services.cli", "--help"]
