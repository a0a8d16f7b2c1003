# syntax=docker/dockerfile:1
# The image of the site and of the workers that need no GPU; Dockerfile.gpu makes that of those that do.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    OMP_WAIT_POLICY=passive \
    MASKGROVE_VAR=/var/lib/maskgrove \
    TMPDIR=/var/lib/maskgrove
RUN groupadd --system --gid 10001 maskgrove \
 && useradd --system --uid 10001 --gid maskgrove --home-dir /var/lib/maskgrove --create-home maskgrove
WORKDIR /app

FROM base AS web
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Dependencies first, in a layer that changes with pyproject.toml only. detectron2 and torch stay out: the web
# process needs neither.
RUN mkdir pipeline annotation_site workers \
 && touch pipeline/__init__.py annotation_site/__init__.py workers/__init__.py \
 && pip install --constraint constraints.txt --editable ".[mturk,s3,parquet]" \
 && rm -r pipeline annotation_site workers
COPY --chown=root:root . .
# Static files belong to the image: collected once here, served by WhiteNoise.
RUN TMPDIR=/tmp STATIC_ROOT=/app/collected SECRET_KEY=only-for-this-step DATABASE_URL=postgres://unused REDIS_URL=redis://unused \
    python manage.py collectstatic --no-input
ENV STATIC_ROOT=/app/collected
USER maskgrove
VOLUME /var/lib/maskgrove
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost'}).raise_for_status()"]
CMD ["gunicorn", "annotation_site.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "5", "--threads", "4", "--worker-connections", "4", "--keep-alive", "0", "--preload", "--no-control-socket", "--worker-tmp-dir", "/tmp"]
