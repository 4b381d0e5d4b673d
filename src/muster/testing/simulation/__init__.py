"""Whole clusters in one process, on a virtual clock, from one seed.

`engine` runs hosts that speak over `network`; what runs on a host is a `Process` (`host`): a core behind a thin adapter. Nothing here
reads a real clock or draws from another chance than the seed's, so that every run can be had again.

    simulation = Simulation(seed=7)
    simulation.add_host("one", ("10.0.0.1", 8301), make_process)
    simulation.run_until(60.0)

`gossip_pool` puts Muster's gossip on it, `scenarios` random faults, `invariants` what must hold.
"""
