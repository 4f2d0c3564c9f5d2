"""Where somebody speaks: audio cut into windows of speech, and word edges moved onto those of speech."""
