"""Pictures: bytes on disk, structure, masks, conversion. Knows nothing of HTTP."""
