ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE:-python:3.12-slim-bookworm} AS base
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
RUN python requirements.py gateway otel > requirements.txt \
 && pip install --no-cache-dir -c constraints.txt -r requirements.txt
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-deps /wheel/*.whl

# A number, so that Kubernetes' runAsNonRoot accepts it.
USER 1000:1000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=10s --start-period=300s \
  CMD ["triton-embed", "health", "gateway", "--host", "0.0.0.0", "--port", "8000"]
ENTRYPOINT ["triton-embed", "gateway", "--host", "0.0.0.0", "--port", "8000"]
