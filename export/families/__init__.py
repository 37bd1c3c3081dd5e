"""Model families that can be exported, one file each."""
