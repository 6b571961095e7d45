"""Nodes and phones on a simulated network, by the thousand: what ``make simulate`` and others run.

``test_short`` runs each of them for seconds within ``make test``.
"""
