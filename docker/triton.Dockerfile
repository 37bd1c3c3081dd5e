ARG TRITON_IMAGE
# Not before 26.08: older servers have known security holes.
FROM ${TRITON_IMAGE:-nvcr.io/nvidia/tritonserver:26.08-py3} AS base
# Certificates for a proxy that ends TLS, or for a mirror; see docs/compose.md.
COPY docker/certificates /usr/local/share/ca-certificates/
RUN update-ca-certificates
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=$SSL_CERT_FILE REQUESTS_CA_BUNDLE=$SSL_CERT_FILE

FROM base AS wheel
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM base
WORKDIR /opt/triton-embed
COPY pyproject.toml constraints.txt docker/requirements.py ./
# The gateway's packages are for `triton-embed serve` in one container.
RUN python3 requirements.py triton gateway otel > requirements.txt \
 && pip install --no-cache-dir -c constraints.txt -r requirements.txt
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-deps /wheel/*.whl

# Disable ONNX Runtime's telemetry.
ENV ORT_DISABLE_TELEMETRY=1
# A number, so that Kubernetes' runAsNonRoot accepts it.
USER 1000:1000
EXPOSE 8001 8002 8004
HEALTHCHECK --interval=10s --timeout=10s --start-period=300s \
  CMD ["triton-embed", "health", "triton", "--address", "127.0.0.1:8001", \
  "--status-port", "8004"]
ENTRYPOINT ["triton-embed", "serve", "--no-gateway", "--model-repository", "/models", \
  "--wait-for-models", \
  "--triton-host", "0.0.0.0", "--triton-grpc-port", "8001", "--triton-metrics-port", "8002", \
  "--status-port", "8004"]
