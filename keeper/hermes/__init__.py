"""Hermes, the price source: stream, polling, decoding, failover between them."""

from keeper.hermes.check import FeedAnswers, check_feeds
from keeper.hermes.config import HermesConfig, Timing
from keeper.hermes.source import HermesSource

__all__ = ["FeedAnswers", "HermesConfig", "HermesSource", "Timing", "check_feeds"]
