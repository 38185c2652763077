"""Recipients as people have them: files and rows read, columns recognised, cells made texts, numbers checked."""
