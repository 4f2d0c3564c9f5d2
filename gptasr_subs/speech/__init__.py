"""Where speech is. In reading order::

activity      speech or not, frame by frame
segmentation  audio cut into windows of speech
snapping      word edges moved onto those of speech
"""
