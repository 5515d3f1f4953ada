"""The flow from price event to confirmed transaction; start reading at network.py."""
