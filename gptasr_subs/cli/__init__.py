"""The command line: options, progress and sentences; what has logic lies in the modules it calls."""
