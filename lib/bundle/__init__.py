"""What a MONAI bundle of ours runs beside MONAI's own parts; `lib.publishing.bundle` copies it into every bundle."""
