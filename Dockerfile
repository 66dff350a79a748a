# CPU:  docker build -t ccsd .
# CUDA: docker build -t ccsd --build-arg PIP_ARGS="--extra-index-url <index with CUDA builds>" . ; docker run --gpus all ...
# On Linux the default index already serves CUDA builds of torch; give PIP_ARGS an index of CPU builds for a small image.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

ARG PIP_ARGS=""
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

RUN useradd --create-home --uid 1000 ccsd \
    && mkdir -p /app /studies \
    && chown ccsd:ccsd /app /studies

# Requirements first: a change of the code does not install them again.
WORKDIR /app
COPY requirements.txt requirements-nodeps.txt ./
# hadolint ignore=SC2086
RUN pip install ${PIP_ARGS} -r requirements.txt \
    && pip install --no-deps -r requirements-nodeps.txt

# As in a checkout: the app's folder, with the weights that trainings publish, is /app/apps/ccsd.
COPY --chown=ccsd:ccsd pyproject.toml setup.py README.md LICENSE ./
COPY --chown=ccsd:ccsd lib lib
COPY --chown=ccsd:ccsd apps apps
COPY --chown=ccsd:ccsd configs configs
RUN pip install --no-deps -e .

USER 1000
VOLUME /studies
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/info/', timeout=5)"]

# Publish the port to the loopback of the host unless authentication is set up: -p 127.0.0.1:8000:8000
ENTRYPOINT ["ccsd", "serve", "--studies", "/studies", "--host", "0.0.0.0", "--port", "8000"]
