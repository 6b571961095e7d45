"""What every edit ends in: validate, store, audit, compile, swap in."""
