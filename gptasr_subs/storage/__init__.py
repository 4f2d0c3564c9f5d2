"""Files, folders and databases on the user's disk, and files from the web."""
