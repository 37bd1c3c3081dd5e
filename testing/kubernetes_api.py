"""An API server of Kubernetes that has some objects, for Helm's function ``lookup``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KINDS = {
    "v1": ("ConfigMap", "PersistentVolumeClaim", "Pod", "Secret", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment",),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
}
"""The kinds that the server knows, by the version of their group."""

NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound"}


def _discovery() -> dict[str, Any]:
    """Return the responses that describe the API, by path."""
    groups = [version.partition("/")[0] for version in KINDS if "/" in version]
    found: dict[str, Any] = {
        "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [_group(name) for name in groups]},
    }
    for version, kinds in KINDS.items():
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        resources = [_resource(kind) for kind in kinds]
        found[path] = {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": resources,
        }
    return found


def _group(name: str) -> dict[str, Any]:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resource(kind: str) -> dict[str, Any]:
    return {"name": f"{kind.lower()}s", "kind": kind, "namespaced": True, "verbs": ["get"]}


@contextmanager
def serving(secrets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Serve Secrets of the namespace ``ns`` while in the block; yield the URL."""
    responses = _discovery()
    for secret in secrets:
        responses[f"/api/v1/namespaces/ns/secrets/{secret['metadata']['name']}"] = secret

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = responses.get(self.path.partition("?")[0])
            body = json.dumps(found or NOT_FOUND).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
