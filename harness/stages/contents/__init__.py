"""What artifacts hold: one class per content, which writes and reads itself. A stage says which one it gives."""
