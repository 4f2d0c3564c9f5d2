"""What lies on the user's disk. In reading order::

attributes  what a file has besides its content
files       files that are whole or not there, and text of unknown encoding
folders     where the package keeps things between runs
sqlite      databases that several processes share
download    files from the web, resumed and checked
"""
