"""Where AutoGen has what managers are made of; programs that have their own import from here."""
