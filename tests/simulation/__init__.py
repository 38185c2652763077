"""A whole fleet without a process: the pure logic of workers and provider on a clock of its own, decided by one seed."""
