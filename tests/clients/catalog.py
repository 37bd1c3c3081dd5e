"""The tested clients and their versions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Client:
    """A client, its requirements and its check.

    Attributes:
        name: Name on the command line and of its environment.
        requirements: Requirements to install, in pip's syntax.
        like: Name of the client whose check it shares.
    """

    name: str
    requirements: str
    like: str | None = None

    @property
    def check(self) -> str:
        """File name of the check in ``checks/``."""
        return f"{self.like or self.name}.py".replace("-", "_")


CLIENTS = (
    Client("openai", "openai==3.54.0"),
    Client("openai-2", "openai==2.54.0", like="openai"),
    Client("openai-1", "openai==1.109.1", like="openai"),
    Client("langchain-nvidia", "langchain-nvidia-ai-endpoints==1.5.0"),
    Client("langchain-openai", "langchain-openai==1.7.3"),
    # It imports openai without declaring it.
    Client("llama-index-nvidia", "llama-index-embeddings-nvidia==0.6.0 openai==3.54.0"),
    Client("llama-index-openai", "llama-index-embeddings-openai==0.6.0"),
    Client("nvidia-haystack", "nvidia-haystack==3.0.0"),
    Client("haystack-ai", "haystack-ai==3.4.0"),
    Client("litellm", "litellm==1.106.2"),
    Client("semantic-kernel", "semantic-kernel==1.45.0"),
    Client("chromadb", "chromadb==1.5.9 openai==3.54.0"),
    Client("pymilvus", "pymilvus[model]==3.0.2 pymilvus-model==0.3.4 openai==3.54.0"),
    # torch is pinned so that pip can use a local CPU build.
    Client("mteb", "mteb==2.26.24 openai==3.54.0 torch==2.13.0"),
    # It imports the other packages without declaring them.
    Client(
        "nv-ingest",
        "nv-ingest-api==26.3.0 tritonclient[grpc]==2.73.0 requests==2.34.2 "
        "opencv-python-headless==5.0.0.93 pillow==13.0.0",
    ),
    Client("aiperf", "aiperf==0.13.0"),
    Client("tritonclient", "tritonclient[grpc]==2.73.0"),
)
