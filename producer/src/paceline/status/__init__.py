"""What a reader learns about an operation, its receipts, the books and the history of acts."""
