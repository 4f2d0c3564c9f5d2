"""Videos that wait for subtitles: a durable queue, its workers, and what puts videos into it.

In reading order::

queue     the database of jobs
rules     which videos get subtitles
hooks     commands and notifiers that are called for each video
worker    takes jobs and does them
arrivals  when a file that arrives is complete
watcher   watched folders
arr       Sonarr, Radarr and Lidarr
"""
