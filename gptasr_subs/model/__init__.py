"""GPT-ASR and nothing of subtitles: from samples to words with times."""
