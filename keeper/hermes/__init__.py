"""Hermes, the price source: stream, polling, decoding, failover between them."""
