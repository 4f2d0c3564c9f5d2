"""Films that wait for subtitles: a durable queue, its workers, and what puts films into it.

In reading order:: queue     the database of jobs
worker    takes jobs and does them
rules     which films get subtitles
arrivals  when a file that arrives is complete
watcher   watched folders
arr       Sonarr, Radarr and Lidarr
hooks     commands and notifiers that are told of each film
"""
