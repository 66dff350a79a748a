"""Series as scanners describe them: the attributes that matter, and what each series is. Times are in ms.

Each study is a list of (right answer, attributes); attributes are those of `ccsd.studies.tags.Tags`. Answers are as in
`real_names`.
"""

from typing import Any

SE = {"scanning_sequence": ("SE",)}
GR3D = {"scanning_sequence": ("GR",), "acquisition": "3D"}
IR = {"scanning_sequence": ("SE", "IR")}
EP = {"scanning_sequence": ("EP", "SE")}
ORIGINAL = {"image_type": ("ORIGINAL", "PRIMARY", "M", "ND", "NORM")}


def t(
    description: str, tr: float | None = None, te: float | None = None, ti: float | None = None, **rest: Any
) -> dict[str, Any]:
    """Attributes of one series."""
    return {
        "description": description, "repetition_time": tr, "echo_time": te, "inversion_time": ti,
        "image_type": ("ORIGINAL", "PRIMARY"), **rest,
    }  # fmt: skip


STUDIES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "Siemens, agent in its attribute": [
        ("no", t("localizer", 8.6, 4, **GR3D, acquired=0.0)),
        ("flair", t("t2_tirm_tra_dark-fluid", 9000, 87, 2500, **IR, acquired=10.0)),
        ("t2", t("t2_tse_tra_512", 6000, 100, **SE, acquired=20.0)),
        ("t1", t("t1_se_tra", 500, 8.4, **SE, acquired=30.0)),
        ("no", t("ep2d_diff_3scan_trace_p2", 3400, 102, **EP, b_value=1000.0, acquired=40.0)),
        ("no", t("ep2d_diff_3scan_trace_p2_ADC", 3400, 102, **EP, image_type=("DERIVED", "PRIMARY", "ADC"))),
        ("no", t("SWI_Images", 28, 20, **GR3D, image_type=("ORIGINAL", "PRIMARY", "M", "SWI", "NORM"))),
        ("t1ce", t("t1_mpr_ns_sag_p2_iso", 2000, 3.0, 900, scanning_sequence=("GR", "IR"), acquisition="3D",
                   sequence_name="*tfl3d1_ns", agent="GADOVIST", acquired=60.0, **ORIGINAL)),
        ("no", t("t1_mpr_ns_sag_p2_iso_MPR_tra", 2000, 3.0, 900, scanning_sequence=("GR", "IR"), acquisition="3D",
                 agent="GADOVIST", image_type=("DERIVED", "SECONDARY", "MPR", "CSA MPR", "", "CSAPARALLEL"))),
    ],
    "GE, no agent, order by perfusion": [
        ("no", t("3Plane Loc SSFSE", 1200, 80, **SE, acquired=0.0)),
        ("flair", t("Ax T2 FLAIR", 9502, 125, 2200, **IR, acquired=60.0)),
        ("t1", t("Ax T1 FLAIR", 2500, 24, 860, **IR, acquired=120.0)),
        ("t2", t("Ax T2 FRFSE", 4500, 102, **SE, acquired=180.0)),
        ("no", t("Ax DWI b1000", 8000, 80, scanning_sequence=("EP", "RM"), acquired=200.0)),
        ("no", t("Ax SWAN", 78, 50, **GR3D, acquired=220.0)),
        ("no", t("Ax PERFUSION DSC", 2000, 40, scanning_sequence=("EP", "GR"), acquired=300.0)),
        ("t1ce", t("Ax T1 FLAIR", 2500, 24, 860, **IR, acquired=400.0)),
        ("t1ce", t("Sag BRAVO", 8.5, 3.2, 450, **GR3D, acquired=500.0)),
        ("no", t("COR", 8.5, 3.2, 450, **GR3D, image_type=("DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"))),
    ],
    "Philips, repeated protocol, agent by the study's name alone": [
        ("no", t("Survey", 15, 5, **GR3D, study_text="MRI BRAIN CONTRAST", acquired=0.0)),
        ("t2", t("T2W_TSE_TRA", 5227, 100, **SE, study_text="MRI BRAIN CONTRAST", acquired=10.0)),
        ("t1", t("T1W_SE-TRA_FS", 626, 15, **SE, study_text="MRI BRAIN CONTRAST", acquired=20.0)),
        ("?", t("T1W_3D_FFE", 25, 4.6, **GR3D, study_text="MRI BRAIN CONTRAST", acquired=30.0)),
        ("t1ce", t("T1W_SE-TRA_FS", 626, 15, **SE, study_text="MRI BRAIN CONTRAST", acquired=40.0)),
        ("t1ce", t("T1W_SE-COR", 560, 12, **SE, study_text="MRI BRAIN CONTRAST", acquired=50.0)),
        ("no", t("MIP_TOF", 23, 6.9, **GR3D, image_type=("ORIGINAL", "PRIMARY", "PROJECTION IMAGE", "M", "FFE"))),
    ],
    "one T1 of a study with contrast agent, nothing says which": [
        ("?", t("T1W_SE_TRA", 560, 12, **SE, study_text="MRT Schädel mit KM", acquired=20.0)),
        ("t2", t("T2W_TSE", 4000, 100, **SE, study_text="MRT Schädel mit KM", acquired=30.0)),
    ],
    "one T1 of a study without contrast agent": [
        ("t1", t("T1W_SE_TRA", 560, 12, **SE, study_text="MRT Schädel nativ", acquired=20.0)),
        ("flair", t("FLAIR_longTR", 11000, 140, 2800, **IR, study_text="MRT Schädel nativ", acquired=30.0)),
    ],
    "the same T1 twice, nobody says contrast": [
        ("t1", t("t1 tra", 500, 10, **SE, acquired=10.0)),
        ("?", t("t1 tra", 500, 10, **SE, acquired=90.0)),
    ],
    "the words disagree with what was measured": [
        ("flair", t("T2 TSE tra", 9000, 120, 2500, **IR)),
        ("t1", t("T2 tra", 550, 12, **SE)),
        ("?", t("T1 tra", 8500, 110, **SE)),
        ("?", t("AX PRE", 600, 12, **SE, agent="MAGNEVIST")),
    ],
    "nothing said, all measured": [
        ("flair", t("AX 5mm", 9000, 120, 2500, **IR)),
        ("t2", t("AX 5mm", 4000, 100, **SE)),
        ("?", t("AX 5mm", 9000, 120, **SE)),
        ("t1", t("AX 5mm", 500, 10, **SE)),
        ("t1", t("Sag", 1900, 2.5, 900, scanning_sequence=("GR", "IR"), acquisition="3D")),
        ("no", t("AX", 700, 20, scanning_sequence=("GR",), flip_angle=20.0)),
        ("?", t("3D", 25, 5, **GR3D)),
        ("no", t("AX", 4000, 60, 150, **IR)),
        ("no", t("AX", 5000, 90, **EP)),
        ("?", t("AX", 1000, 55, **SE)),
    ],
    "agent by words, by volume and by its absence": [
        ("t1ce", t("T1 SE ax post", 500, 12, **SE)),
        ("t1", t("T1 SE ax", 500, 12, **SE, agent="NONE")),
        ("t1ce", t("T1 SE ax", 500, 12, **SE, agent="Yes")),
        ("t1ce", t("T1 SE ax", 500, 12, **SE, dose=15.0)),
        ("flair", t("FLAIR post", 9000, 120, 2500, **IR, agent="DOTAREM")),
        ("t2", t("T2 post", 4000, 100, **SE, agent="DOTAREM")),
    ],
    "agent entered before it was given": [
        ("?", t("t1 tra", 500, 10, **SE, agent="Dotarem", acquired=10.0)),
        ("t1ce", t("t1 tra", 500, 10, **SE, agent="Dotarem", acquired=90.0)),
    ],
    "the first marked image after contrast agent dates the others": [
        ("t1", t("T1 AX", 500, 12, **SE, acquired=10.0)),
        ("t1ce", t("T1 AX POST", 500, 12, **SE, acquired=50.0)),
        ("t1ce", t("T1 COR", 500, 12, **SE, acquired=60.0)),
        ("t1ce", t("MPRAGE", 1900, 2.5, 900, scanning_sequence=("GR", "IR"), acquired=70.0)),
    ],
    "3D turbo spin echo": [
        ("flair", t("SAG CUBE FLAIR", 6000, 120, 1850, **IR, acquisition="3D")),
        ("flair", t("t2_space_dark-fluid_sag", 5000, 387, 1800, **IR, acquisition="3D")),
        ("flair", t("3D VISTA FLAIR", 4800, 310, **SE, acquisition="3D")),
        ("t2", t("t2_space_sag_p2", 3200, 408, **SE, acquisition="3D")),
        ("t1ce", t("t1_space_fs_sag_KM", 600, 11, **SE, acquisition="3D")),
    ],
    "an archive's export, all of it made from other images": [
        ("t1", t("T1 axial : Processed", 500, 10, **SE, image_type=("DERIVED", "SECONDARY"))),
        ("t1ce", t("T1 axial stealth-post : Processed", 500, 10, **SE, image_type=("DERIVED", "SECONDARY"))),
        ("no", t("T1 POST SUB", 500, 10, **SE, image_type=("DERIVED", "SECONDARY"))),
    ],
    "refused by Image Type": [
        ("flair", t("FLAIR", 9000, 120, 2500, **IR)),
        ("no", t("T1 POST", 500, 10, **SE, image_type=("DERIVED", "SECONDARY", "SUBTRACTION"))),
        ("no", t("t1 tra SUB", 500, 10, **SE, image_type=("DERIVED", "PRIMARY", "M"))),
        ("no", t("Phase", 28, 20, **GR3D, image_type=("ORIGINAL", "PRIMARY", "P", "ND"))),
        ("no", t("T2 TSE", 4000, 100, **SE, image_type=("DERIVED", "SECONDARY"))),
        ("no", t("Loc", 4000, 100, **SE, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))),
        ("no", t("T1 map", 500, 10, **SE, image_type=("DERIVED", "PRIMARY", "T1 MAP", "T1"))),
        ("no", t("MRA", 25, 3.5, **GR3D, angio=True)),
        ("no", t("T1 dixon", 700, 10, **SE, image_type=("DERIVED", "PRIMARY", "DIXON", "FAT"))),
    ],
    "another body part": [
        ("no", t("T2 TSE SAG C-SPINE", 3500, 100, **SE)),
        ("no", t("T1 SAG LWS", 500, 10, **SE)),
        ("t2", t("T2 TSE BRAIN AND ORBITS", 4000, 100, **SE)),
    ],
}  # fmt: skip
