"""How good and how fast a recogniser is. In reading order::

wer       word errors and their confidence interval
biased    the same apart for the words of a glossary
clips     many short files to text
evaluate  scores on a manifest
speed     decoding part by part, and a video stage by stage
"""
