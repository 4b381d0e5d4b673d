"""A pytest plugin that gives a real agent as a fixture."""
