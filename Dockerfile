# Any image of a Python 3.11 or newer. All that is locked has wheels for Alpine's musl, on amd64 and arm64.
ARG BASE=docker.io/library/python:3.13-alpine3.22

# Only what the lock knows by its hash gets into /wheels; the rest happens without the network.
FROM ${BASE} AS build
WORKDIR /src
COPY requirements/ requirements/
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
RUN ln -s /src/requirements/pip-*.whl /pip.whl && \
    python3 /pip.whl/pip download --quiet --no-deps --require-hashes --only-binary :all: --dest /wheels \
        --requirement requirements/runtime.txt
COPY pyproject.toml ./
RUN python3 -m venv --without-pip /opt/keeper && \
    python3 -c 'import tomllib as t; print(*t.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
        >/dependencies.txt && \
    /opt/keeper/bin/python /pip.whl/pip install --quiet --no-index --find-links /wheels -r /dependencies.txt && \
    find /opt/keeper -type f '(' -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' ')' -delete && \
    python3 -m venv --without-pip /build && \
    /build/bin/python /pip.whl/pip install --quiet --no-index --find-links /wheels hatchling
COPY README.md LICENSE ./
COPY keeper/ keeper/
RUN /build/bin/python /pip.whl/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . && \
    /opt/keeper/bin/python /pip.whl/pip install --quiet --no-index --no-deps --find-links /wheels pyth-keeper

FROM ${BASE}
RUN echo 'keeper:x:1001:1001::/data:/sbin/nologin' >>/etc/passwd && \
    echo 'keeper:x:1001:' >>/etc/group && \
    install -d -o 1001 -g 1001 /data
COPY --from=build /opt/keeper /opt/keeper
COPY docker/healthcheck.py /opt/keeper/
ENV PATH=/opt/keeper/bin:$PATH PYTHONDONTWRITEBYTECODE=1 METRICS_HOST=0.0.0.0
USER 1001:1001
# The journal and a .env file are looked for here: the only place that is written to.
WORKDIR /data
VOLUME /data
EXPOSE 9090
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-I", "/opt/keeper/healthcheck.py", "/health/live"]
ENTRYPOINT ["keeper"]
CMD ["run"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pyth-keeper" \
      org.opencontainers.image.description="Keeps Pyth price feeds fresh on any EVM chain" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
