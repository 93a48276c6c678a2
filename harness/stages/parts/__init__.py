"""What long stages are divided into, and how."""
