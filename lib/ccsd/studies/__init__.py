"""What a study is: files on disk -> {modality: volume}, and reference labels. Knows images, not networks."""
