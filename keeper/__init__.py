"""Keeps a Pyth contract on any EVM chain fresh from Pyth's Hermes stream."""

from importlib.metadata import version

__version__ = version("pyth-keeper")
