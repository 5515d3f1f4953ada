"""The devnet: Anvil, a Pyth contract and a Hermes simulator."""
