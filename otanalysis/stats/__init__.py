"""Statistics: tables in, tables out; reads and writes no files, and draws nothing.

May import errors, defaults, arrays, the names of the rungs from surrogate and those of the pools of kept
sets from selection.
"""
