"""Words into readable cues, and the norms by which cues are shaped, checked and repaired.

In reading order::

norms        the presets of reading norms
timed_words  words with consistent times
linebreaks   where a line or a cue may end
timing       when cues begin and end
shaping      words into cues
markup       italics, colours and speakers in the text of a cue
repeats      text that a file holds more than once although it is said once
lint         which norms a list of cues breaks
repair       cues of other tools, reshaped within the norms
"""
