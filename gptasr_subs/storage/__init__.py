"""What lies on the user's disk. In reading order::

encoding    the text in bytes of unknown encoding
files       files that are whole or not there
folders     where the package keeps things between runs
sqlite      databases that several processes share
download    files from the web, resumed and checked
"""
