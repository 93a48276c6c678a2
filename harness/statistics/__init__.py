"""Statistics of the leaderboard: intervals, paired comparisons, ranks, and what a test set can show at all."""
