"""WhatsApp groups."""
