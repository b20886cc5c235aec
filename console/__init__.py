"""RaceDeck's engine: everything that runs without a screen."""
