"""Networks: what turns a window of detections into association logits, and how its weights are stored."""
