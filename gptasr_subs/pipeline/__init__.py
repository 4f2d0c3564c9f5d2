"""One media file in, its subtitles out. In reading order::

options    what is asked for, how far the work is, what became of it
plan       which files are wanted, and which are there already
glossary   which words to expect
recognize  probe, decode, split, recognise, shape
subtitle   the whole of it, files written
"""
