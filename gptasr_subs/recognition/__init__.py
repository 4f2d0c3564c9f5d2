"""Windows of audio in, words out: recognisers, what is recognised already, and how the work is scheduled."""
