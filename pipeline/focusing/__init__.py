"""What the methods of reff.md share: Grad-CAM of a training step, and penalties on maps beside masks."""
