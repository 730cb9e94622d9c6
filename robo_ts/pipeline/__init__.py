"""The whole line from teacher to report; the only room that knows all the others."""
