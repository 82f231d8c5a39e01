"""Whole programs seen from outside: real processes, real sockets, what an administrator types and reads.

Every test has folders and ports of its own. Nothing is waited for by a pause: each wait ends with a line, an exit
or a state, or fails at its deadline with what the process said.
"""
