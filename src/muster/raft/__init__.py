"""Consensus by Raft, as a library without input or output: messages and time in, effects out."""
