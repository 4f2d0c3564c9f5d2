"""What becomes of cues besides a subtitle file. In reading order::

progressive    files that grow while a video is recognised
embedding      a subtitle track in the media file
burning        a copy with the text in the picture
contact_sheet  cues over their frames, and a timeline
"""
