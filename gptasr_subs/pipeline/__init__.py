"""One media file in, its subtitles out."""
