"""A text that is known, beside the audio in which it is said. In reading order::

known_text  when each word of a script or a subtitle is said
shift       how late and how slow a subtitle runs
"""
