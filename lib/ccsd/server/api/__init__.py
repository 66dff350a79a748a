"""What the app adds to MONAI Label's web server."""
