"""A known text aligned with the audio in which it is spoken. In reading order::

known_text  when each word of a script or a subtitle is spoken
shift       how late and how slow a subtitle runs
parts       where that changes, because something was cut out or put in
retiming    a subtitle at the times of its video
"""
