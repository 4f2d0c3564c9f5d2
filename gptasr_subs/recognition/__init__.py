"""Windows of speech in, words out. In reading order::

recognizer  what the pipeline asks of a recogniser
gptasr      GPT-ASR as a recogniser
loading     recognisers by name, those of plugins too, loaded when needed
transcript  windows with their words in media time
cache       the journal: what is recognised already
record      what it knows of one video
windows     groups of windows, past those that are known and those that fail
batching    which clips are recognised together, and on how many threads
workers     batches in processes forked from this one
prefetch    items that a thread prepares while others are worked on
"""
