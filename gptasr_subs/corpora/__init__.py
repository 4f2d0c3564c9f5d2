"""Corpora of recorded or synthesised speech in one format.

Needs the ``train`` extra; the subtitler imports none of it.

``manifest`` is that format: a table of clips that lie in audio files.
``audio`` reads the samples of clips.
``shards`` and ``writer`` write a corpus batch by batch, and continue one that was interrupted.
``report`` says what was kept and what was dropped, and why.
``readers`` know the layouts of public corpora; ``importing`` brings those into our format.
``pseudo_labels`` has a recogniser transcribe clips without text.
``voices`` are the synthesisers that ``synthesis`` makes a corpus with.
``numerals`` and ``casing`` make transcripts alike: numbers in words, casing and punctuation.
"""
