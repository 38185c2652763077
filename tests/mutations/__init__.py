"""What holds a promise is taken away, one thing at a time: a test must fail, or nothing guards it. ``make mutations`` runs them."""
