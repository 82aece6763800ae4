"""The way outside: which hosts may be asked, how they are asked, and what is on record about it."""
