"""Signers: one file each behind one protocol."""
