"""What the RFCs ask for, message by message."""
