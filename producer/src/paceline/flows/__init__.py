"""What an outbox does, step by step, for threads and event loops alike: generators that ask, pause and return."""
