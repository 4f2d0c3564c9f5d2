"""Log-mels to text.

``decode`` is the way in: a batch of log-mels to hypotheses, the best first.
``beam_search`` looks for the most probable token sequences of each clip.
``incremental`` runs the GPT one token at a time over a cache that all beams of a clip share.
``ctc_prefix`` adds the CTC head's prefix score to what a beam may write next.
``readings`` says what else each word may be, by the beams that wrote other words.
``spotting`` finds the terms of a glossary in the CTC head's output for a clip.
``biasing`` adds a bonus for each letter of such a term that a beam writes.
``second_pass`` puts terms that the beams have lost where they are spoken.
``text_hash`` tells which beams have written the same text in other tokens.
"""
