"""One file per dataset: from raw files in their official layout to Parquet tables of images and labels."""
