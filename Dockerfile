# immtf's container: `docker build --tag immtf .`; with Consul and etcd for the lab: `docker build --target lab --tag immtf:lab .`
#
# Any builder will do, also one without BuildKit: no mounts, no COPY --chmod. What is fetched depends on few files, so that a change of
# immtf's code fetches nothing anew. docs/container.md says how it is run.

# Terraform itself, pinned by the tag.
FROM hashicorp/terraform:1.11.4 AS terraform

# What every stage after it stands on, and all that the finished image has of Debian.
FROM debian:bookworm-slim AS base
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends ca-certificates git openssh-client python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
 && git config --system --add safe.directory '*'
COPY --from=terraform /bin/terraform /usr/local/bin/terraform

# pip, and the locked packages: those that make the wheel for the build, those that run for the image.
FROM base AS packages
RUN apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends python3-venv
ENV PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements-build.lock requirements-run.lock /build/
RUN python3 -m venv /build/venv && python3 -m venv --without-pip /opt/immtf
ENV PATH=/build/venv/bin:$PATH
RUN pip install --quiet --require-hashes --requirement /build/requirements-build.lock \
 && pip --python /opt/immtf/bin/python install --quiet --no-compile --require-hashes --requirement /build/requirements-run.lock

# The providers, by immtf's own toolchain, which is all of immtf that this stage sees.
FROM packages AS providers
COPY immtf/__init__.py immtf/errors.py /build/tools/immtf/
COPY immtf/adapters/__init__.py immtf/adapters/process.py /build/tools/immtf/adapters/
COPY immtf/lab/__init__.py /build/tools/immtf/lab/
COPY immtf/lab/toolchain /build/tools/immtf/lab/toolchain
RUN cd /build/tools && python -m immtf.lab.toolchain providers /opt/terraform

# Consul and etcd, for the lab alone.
FROM providers AS servers
RUN cd /build/tools && python -m immtf.lab.toolchain consul /opt/consul && python -m immtf.lab.toolchain etcd /opt/etcd

# immtf from its wheel, and everything compiled once, here: a container has nowhere to keep compiled files.
FROM packages AS wheel
COPY pyproject.toml README.md LICENSE /build/source/
COPY immtf /build/source/immtf
RUN pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /build/wheel /build/source \
 && pip --python /opt/immtf/bin/python install --quiet --no-compile --no-deps --no-index /build/wheel/immtf-*.whl \
 && pip --python /opt/immtf/bin/python check \
 && /opt/immtf/bin/python -m compileall -q --invalidation-mode unchecked-hash -j 0 /opt/immtf/lib

FROM base AS run
# Home and block may be written by any user: `--user` names one that nobody made here.
RUN useradd --uid 1000 --no-create-home --home-dir /home/immtf --shell /usr/sbin/nologin immtf \
 && install --directory --mode 1777 /home/immtf \
 && install --directory --owner immtf --group root --mode 0775 /block
COPY --from=providers /opt/terraform /opt/terraform
COPY --from=wheel /opt/immtf /opt/immtf
ENV PATH=/opt/immtf/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/home/immtf \
    IMMTF_HOME=/home/immtf/.immtf \
    IMMTF_INSIDE=container \
    XDG_STATE_HOME=/home/immtf/.immtf/state \
    PYTHONDONTWRITEBYTECODE=1 \
    CHECKPOINT_DISABLE=1 \
    TF_CLI_CONFIG_FILE=/opt/terraform/terraform.tfrc
USER immtf
WORKDIR /block
STOPSIGNAL SIGTERM
ENTRYPOINT ["immtf"]
CMD ["--help"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="immtf" \
      org.opencontainers.image.description="Rolling upgrades of clusters of stateful servers that Terraform manages, one node at a time" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

FROM run AS lab
COPY --from=servers /opt/consul/bin/consul /opt/etcd/bin/etcd /usr/local/bin/

FROM run AS immtf
