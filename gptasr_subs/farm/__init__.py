"""One archive on many machines: a driver hands out films, workers on a Ray cluster do them.

In reading order::

films      what travels to a worker, and what comes back
subtitler  what a worker does with a film
addresses  films that lie in no file system of the workers
cluster    the workers, as Ray has them
driver     who gets which film, and what if a worker is lost
manifest   one line a film on disk
collection the films of folders and addresses
tally      the sum of it

Paths travel, media do not. Each film is worked on at least once, and written once.
"""
