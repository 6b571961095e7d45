"""The steps of the proxy chain, one rule each; ``sipx.proxy.chain`` has their order."""
