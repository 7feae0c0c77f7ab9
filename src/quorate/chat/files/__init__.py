"""Teams as data: files, what they may say, and their schema."""
