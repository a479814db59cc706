"""Programs that run in environments of their own: nothing in this folder imports cnnedge.

Each answers requests, one a line, until its standard input ends (`loop`).
"""
