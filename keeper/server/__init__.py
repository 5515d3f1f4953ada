"""The HTTP server: health, status and metrics."""
