"""What changes the film itself, or looks at its picture: tracks, burned-in text, cuts, drawings."""
