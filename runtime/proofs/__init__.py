"""Proofs of the log: its Merkle tree, its signed heads, and what a stranger checks without us."""
