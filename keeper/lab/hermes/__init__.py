"""A Hermes of our own: the real wire format, truly signed prices, and faults on demand."""

from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.simulator import HermesSimulator

__all__ = ["HermesSimulator", "SimulatorConfig"]
