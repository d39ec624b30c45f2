"""What methods share that give layers or blocks variables of their own, instead of one backward pass through all."""
