# The service's image: a virtual environment from hash-locked requirements, and the code, without build tools.
#
#   docker build -t watchword .

FROM python:3.13-slim AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/watchword


FROM base AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/service.txt /tmp/requirements.txt
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --quiet --no-compile --only-binary :all: --require-hashes \
        --requirement /tmp/requirements.txt

COPY alembic.ini LICENSE ./
COPY migrations migrations
COPY app app
# `python -m app` and `watchword` work from any folder. An image does not change, so bytecode is compiled once and never
# compared with its source. The files are read-only for every user, independent of the checkout's modes.
RUN pwd >"$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/watchword.pth" \
 && printf '#!/opt/venv/bin/python\nfrom app.cli.commands import main\n\nif __name__ == "__main__":\n    main()\n' \
        >/opt/venv/bin/watchword \
 && chmod +x /opt/venv/bin/watchword \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib app \
 && chmod -R a=rX /opt/venv /srv/watchword


FROM base
RUN groupadd --gid 10001 watchword \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin watchword
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/watchword /srv/watchword
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# An orchestrator sends SIGTERM and tells its balancers at the same time, and they need some seconds.
ENV AUTH_LISTEN=0.0.0.0:8000 AUTH_DRAIN=5
# It checks /livez, not /readyz: an orchestrator must not replace containers because Postgres is down.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import http.client, os, sys; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ['AUTH_LISTEN'].rpartition(':')[2]), timeout=4); \
c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
