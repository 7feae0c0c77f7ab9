"""Whether a conversation gets anywhere: what repeats itself, in acts and in words."""
