"""Built-in selectors: in which order training examples are attacked."""
