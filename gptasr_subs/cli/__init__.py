"""The command line: options, progress and messages. What has logic lies in the modules it calls.

In reading order:: main             the program and its commands
default_command  how ``gptasr-subs movie.mp4`` needs no command name
console          messages, errors and tables
progress         how far the work is
options, norms   options that several commands share
validation       options that contradict one another
batch            many files with one model
subtitle, lint_fix, align, preview, evaluate, bench, jobs, watch, serve, arr, cache, models, plugins
                 a command each, or the two of its name
train            gptasr-subs-train; its commands for corpora are in ``corpora``
"""
