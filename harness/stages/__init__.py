"""The stages of the protocol: one module each, pure functions from artifacts to an artifact."""
