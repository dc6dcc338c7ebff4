"""Tables on disk: cells of CSV files, Parquet files, and the parts that each visit adds."""
