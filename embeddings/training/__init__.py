"""The parts of the training loop in `embeddings/train.py`: settings, devices, checkpoints, what is written down."""
