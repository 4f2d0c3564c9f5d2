"""Media files and the subtitle files beside them. In reading order::

library     what a person points at, as a list of media files
ffmpeg      the program, its command lines, running it
probe       what is in a media file
encryption  whether its audio is encrypted
patience    input that gives nothing any more
decode      its audio as mono samples
shots       where the picture is cut
languages   which codes mean the same language
sidecars    names of subtitle files beside a media file
"""
