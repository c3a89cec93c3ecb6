# gpumon as an image. `docker build -t gpumon .`; how to run it: docker-compose.yml and docs/deployment.md.

# What needs pip stays in this stage. Wheels only: nothing is compiled, so not even here is there a compiler.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /opt/gpumon
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
        --require-hashes --requirement requirements.lock \
    && .venv/bin/python -m pip uninstall --yes pip setuptools


# 3.11: the version that requirements.lock was made and is tested with.
FROM python:3.11-slim-bookworm

# /data holds the database and the secret key and is closed to others; static files lie apart from it, for nginx to read.
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
# Compiled now: the user below may not write here.
RUN .venv/bin/python -m compileall -q gpumon_site monitor

# NVIDIA_…: which GPUs the NVIDIA Container Toolkit shows to the container, and that it brings NVML and nvidia-smi along.
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

# Unhealthy while no GPU can be read; the log says why. It goes on serving, and looks again by itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=2s --retries=3 \
    CMD ["python", "deploy/docker/healthcheck.py"]

CMD ["python", "manage.py", "serve"]
