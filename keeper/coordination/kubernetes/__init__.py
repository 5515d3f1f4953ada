"""Leases of Kubernetes, by its API."""
