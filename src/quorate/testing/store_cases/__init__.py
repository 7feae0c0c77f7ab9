"""The promises of a store, one function each; `quorate.testing.stores` collects them."""
