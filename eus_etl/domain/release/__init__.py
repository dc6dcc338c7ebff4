"""What a release is made of: splits that hold people apart, and the search for leaks between them."""
