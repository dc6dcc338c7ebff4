"""Reading uploaded videos in processes apart, which a file may kill, hang or fill without harm to others."""
