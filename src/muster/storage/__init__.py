"""The log, the vote and the snapshots on disk, over a file interface so that a faulty disk can stand in."""
