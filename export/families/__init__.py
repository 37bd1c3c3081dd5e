"""The supported model families, one file each.

Nothing of a checkpoint is ever executed: a family whose official checkpoints bring code is mapped
to a class of transformers.
"""
