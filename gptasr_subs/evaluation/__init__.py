"""How good and how fast a recogniser is."""
