"""Vision-language models: load one, take its visual tokens, run it with the kept ones.

May import: errors, tokens, transport, surrogate, selection; and torch and transformers, which no other room
but ``otanalysis.scenes.recipe`` imports. The heavy imports happen inside functions, so that the rest of the
package works without torch.
"""
