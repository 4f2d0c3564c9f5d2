"""Names and other words that are to come out right. In reading order::

terms    what a glossary is
files    GLOSSARY.txt: read, and found beside media
cast     the names in the .nfo files of media centres
writing  terms in recognised words, as the glossary writes them
"""
