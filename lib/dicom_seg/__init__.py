"""DICOM segmentations (PS3.3 A.51): a label map of a DICOM series as a SEG object, and back."""
