"""Training a GPT-ASR: corpora in, a checkpoint out. Needs the ``train`` extra; nothing of the subtitler imports it."""
