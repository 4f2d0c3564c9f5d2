"""Texts that are known beside the audio in which they are said: when each word is said, and how far off cues are."""
