"""What is kept out of that which leaves the process, by masks, and what is marked as sensitive."""
