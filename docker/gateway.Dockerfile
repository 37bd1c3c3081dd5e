ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE:-python:3.12-slim-bookworm}

WORKDIR /opt/triton-embed
COPY pyproject.toml constraints.txt docker/requirements.py ./
RUN python requirements.py gateway otel > requirements.txt \
 && pip install --no-cache-dir -c constraints.txt -r requirements.txt
COPY LICENSE README.md docker/gateway_health.py ./
COPY triton_embed triton_embed
COPY contract contract
COPY runtime runtime
COPY gateway gateway
# The server reads its license from the installed package.
RUN pip install --no-cache-dir --no-deps . && rm -r build ./*.egg-info
# In a clone made under a strict umask they are their owner's alone.
RUN chmod -R a+rX .

# By number, so that Kubernetes' runAsNonRoot can tell.
USER 1000:1000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=10s --start-period=300s CMD ["python", "gateway_health.py"]
ENTRYPOINT ["python", "-m", "triton_embed.gateway", "--host", "0.0.0.0", "--port", "8000"]
