"""What a reader learns about an operation, its receipts and the books."""
