"""Statistics: tables in, tables out; reads and writes no files, and draws nothing.

May import errors and surrogate, and the names of the pools of kept sets from selection.
"""
