"""Hermes, the price source: stream, polling, decoding, failover between them."""

from keeper.hermes.check import FeedAnswers, check_feeds
from keeper.hermes.config import HermesConfig, HermesMode, Timing
from keeper.hermes.several import HermesSources
from keeper.hermes.source import HermesSource

__all__ = ["FeedAnswers", "HermesConfig", "HermesMode", "HermesSource", "HermesSources", "Timing", "check_feeds"]
