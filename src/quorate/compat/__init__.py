"""Other frameworks' names on Quorate, for code that was written for them."""
