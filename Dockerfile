# The server with its model inside; docs/server.md says how to run it. It runs as any user, and
# writes to /cache, /data and the folders that you mount.

FROM python:3.13-slim AS build
# Without a GPU, PyTorch without CUDA saves gigabytes: --build-arg TORCH_INDEX=ADDRESS, the index of
# its CPU builds, which pytorch.org names.
ARG TORCH_INDEX=
ENV PATH=/opt/gptasr-subs/bin:$PATH
RUN python -m venv /opt/gptasr-subs \
 && PIP_INDEX_URL="$TORCH_INDEX" pip install --no-cache-dir "torch>=2.3"
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY licenses licenses
COPY plugins/yt-dlp plugins/yt-dlp
COPY gptasr_subs gptasr_subs
# Our own package has no version to pin.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[server]"

FROM python:3.13-slim
COPY --from=build /opt/gptasr-subs /opt/gptasr-subs
ENV PATH=/opt/gptasr-subs/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    GPTASR_SUBS_CACHE=/cache \
    GPTASR_SUBS_DATA=/data
RUN install -d -m 1777 /cache /data
VOLUME ["/cache", "/data"]
USER 1000:1000
EXPOSE 9000 10300
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:9000/healthz', timeout=5)"]
ENTRYPOINT ["gptasr-subs"]
CMD ["serve", "--host", "0.0.0.0"]
