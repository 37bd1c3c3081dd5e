# Stand-in for NGC's tritonserver: the server of the nvidia-pytriton wheel in the same layout.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
# The wheel has no C++ ONNX Runtime; our backend of that name needs the Python package.
RUN pip install --no-cache-dir onnxruntime \
 && pip install --no-cache-dir --no-deps --target /opt/wheel nvidia-pytriton \
 && cd /opt/wheel/pytriton/tritonserver \
 && mkdir /opt/tritonserver \
 && mv bin backends /opt/tritonserver/ \
 && mv python_backend_stubs/3.11/* /opt/tritonserver/backends/python/ \
 && mv /opt/wheel/nvidia_pytriton.libs / \
 && rm -r /opt/wheel
ENV PATH=/opt/tritonserver/bin:$PATH
