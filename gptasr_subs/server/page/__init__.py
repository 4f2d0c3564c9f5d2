"""The page: films that are dropped, followed, reviewed and edited in a browser. In reading order::

cues        cues with names that they keep
versions    all that was made of a film, on disk
films       first versions, and the subtitle files that follow the newest
documents   the text of a film: read, saved, checked, fixed
live        text while it is still being recognised
playback    what is played and drawn
proxies     copies that every browser can play
peaks       waveforms
resumable   uploads that survive a lost connection
uploads     their addresses
folders     films of this computer to choose from
pages       the pages themselves, their files in ``static``, and the sign-in
review      where listening pays
changes     what differs between two recognitions, two versions
sound       stretches of audio
reviewing   the queue, words to expect, windows read again, a corpus of corrections
"""
