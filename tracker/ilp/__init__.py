"""The exact tracking ILP: model, reduction, relaxation, proof."""
