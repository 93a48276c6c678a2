"""The artifact store, and how payloads lie on disk."""

from harness.store.store import Artifact, DamagedArtifactError, Store

__all__ = ["Artifact", "DamagedArtifactError", "Store"]
