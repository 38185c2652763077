"""The HTTP gateway (extra ``gateway``)."""
