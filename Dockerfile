# syntax=docker/dockerfile:1
# Build: docker build -t pack-verifier .
# Run:   deploy/compose.yaml, or
#        docker run -e VERIFIER_DATABASE_URL=… -e VERIFIER_REDIS_URL=… -e VERIFIER_ISSUER=https://… -p 8080:8080 pack-verifier

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/verifier
ENV PATH=/opt/verifier/bin:$PATH
WORKDIR /src
COPY requirements.txt ./
RUN pip install --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY verifier ./verifier
COPY scanner_client ./scanner_client
# away with what only builds; setuptools stays, a wheel asks for it
RUN pip install --no-deps --no-build-isolation . \
 && pip uninstall --yes hatchling editables pathspec pluggy trove-classifiers tomlkit \
 && pip check

FROM python:3.12-slim
RUN groupadd --gid 10001 verifier \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/verifier --no-create-home --shell /usr/sbin/nologin verifier \
 && install --directory --owner verifier --group verifier --mode 700 /var/lib/verifier
COPY --from=build /opt/verifier /opt/verifier
ENV PATH=/opt/verifier/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VERIFIER_HOME=/var/lib/verifier
USER 10001:10001
WORKDIR /var/lib/verifier
VOLUME /var/lib/verifier
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["verifier"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
