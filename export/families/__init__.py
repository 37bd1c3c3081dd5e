"""The supported model families, one file each.

No code of a checkpoint is executed: if the official checkpoints of a family bring code,
transformers' own class is used.
"""
