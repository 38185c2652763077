"""The inbox: records of enqueued work, and the hints that tell workers of them."""
