"""One small file for each way to find targets."""
