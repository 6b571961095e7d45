"""Asking the DNS: answers from memory, from /etc/hosts or from name servers, never blocking."""
