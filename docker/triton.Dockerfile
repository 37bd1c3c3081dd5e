ARG TRITON_IMAGE
# Not before 26.08: older servers have known security holes.
FROM ${TRITON_IMAGE:-nvcr.io/nvidia/tritonserver:26.08-py3}

WORKDIR /opt/triton-embed
COPY constraints.txt .
RUN pip install --no-cache-dir -c constraints.txt psutil tokenizers 'tritonclient[grpc]'
COPY docker/triton_health.py .
COPY triton_embed triton_embed
COPY contract contract
COPY runtime runtime
COPY repository repository
COPY backends backends
COPY serve serve
# In a clone made under a strict umask they are their owner's alone.
RUN chmod -R a+rX .

# ONNX Runtime reports its use to Microsoft unless told not to.
ENV ORT_DISABLE_TELEMETRY=1
# By number, so that Kubernetes' runAsNonRoot can tell.
USER 1000:1000
EXPOSE 8001 8002
HEALTHCHECK --interval=10s --timeout=10s --start-period=300s CMD ["python3", "triton_health.py"]
ENTRYPOINT ["python3", "-m", "triton_embed.serve", "--no-gateway", "--model-repository", "/models", \
  "--triton-host", "0.0.0.0", "--triton-grpc-port", "8001", "--triton-metrics-port", "8002"]
