"""The HTML report of a run or corpus, and its pictures."""
