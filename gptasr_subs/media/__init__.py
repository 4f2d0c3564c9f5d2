"""Media files: what is in them, their audio, the picture's cuts, and the subtitle files beside them."""
