"""Videos that wait for subtitles: a durable queue, its workers, and what puts videos into it.

In reading order:: queue     the database of jobs
worker    takes jobs and does them
rules     which videos get subtitles
arrivals  when a file that arrives is complete
watcher   watched folders
arr       Sonarr, Radarr and Lidarr
hooks     commands and notifiers that are told of each video
"""
