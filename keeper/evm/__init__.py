"""EVM chains: JSON-RPC endpoints, error texts, the Pyth contract, fees."""
