"""Words into readable cues, and the norms by which cues are shaped, judged and mended."""
