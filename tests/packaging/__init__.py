"""What is installed works where it is installed."""
