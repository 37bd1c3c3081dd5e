# Stand-in for python:3-slim: a debootstrap root, and every wheel that our images install, so that
# their build needs neither the network nor the host's network settings.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN ln -s python3 /usr/bin/python && rm /usr/lib/python3*/EXTERNALLY-MANAGED
COPY . /wheels
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_ROOT_USER_ACTION=ignore
