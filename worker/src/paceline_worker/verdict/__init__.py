"""What an answer means for its operation: retry, refusal, look-up, outcome. Pure decisions."""
