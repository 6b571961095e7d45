"""What a caller can hear and do: announcements, conferences, mailboxes and more."""
