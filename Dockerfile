# Container image of gpumon: `docker build -t gpumon .`. To run it, see docker-compose.yml and docs/deployment.md.

# Everything that needs pip stays in this stage. Only wheels are installed, so no stage needs a compiler.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /opt/gpumon
# With the clients of PostgreSQL (13 MB) and Redis (6 MB), so that GPU_MONITOR_DATABASE_URL and _REDIS_URL are all it takes.
COPY requirements-fleet.lock ./
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
        --require-hashes --requirement requirements-fleet.lock \
    && .venv/bin/python -m pip uninstall --yes pip setuptools


# Python 3.11, because the lock files are generated and tested with it.
FROM python:3.11-slim-bookworm

# /data contains the database and the secret key and is closed to other users. Static files are separate, so nginx can read them.
RUN groupadd --gid 10001 gpumon \
    && useradd --uid 10001 --gid gpumon --no-create-home --home-dir /data --shell /usr/sbin/nologin gpumon \
    && install --directory --owner=gpumon --group=gpumon --mode=0700 /data \
    && install --directory --owner=gpumon --group=gpumon --mode=0755 /var/cache/gpumon

WORKDIR /opt/gpumon
COPY --from=packages /opt/gpumon/.venv .venv
COPY manage.py LICENSE ./
COPY gpumon_site gpumon_site
COPY monitor monitor
COPY templates templates
COPY static static
COPY deploy/docker/healthcheck.py deploy/docker/healthcheck.py
# Compile now, because the user below cannot write here.
RUN .venv/bin/python -m compileall -q gpumon_site monitor

# NVIDIA_… tell the NVIDIA Container Toolkit which GPUs to expose, and to provide NVML and nvidia-smi.
ENV PATH=/opt/gpumon/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=utility \
    GPU_MONITOR_HOST=0.0.0.0 \
    GPU_MONITOR_DATA_DIR=/data \
    GPU_MONITOR_STATIC_DIR=/var/cache/gpumon/static

VOLUME ["/data", "/var/cache/gpumon"]
EXPOSE 5000
USER 10001:10001

# Unhealthy while no GPU can be read; the log says why. gpumon keeps serving and retries on its own.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=2s --retries=3 \
    CMD ["python", "deploy/docker/healthcheck.py"]

CMD ["python", "manage.py", "serve"]
