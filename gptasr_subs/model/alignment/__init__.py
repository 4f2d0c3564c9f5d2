"""When each word of a text is spoken.

``words`` turns aligned characters or tokens into words with times and confidences.
``cross_attention`` aligns tokens by the GPT's attention, for checkpoints without a CTC head.
``longform`` aligns a long text with a whole recording, though not all of either is in the other.
"""
