"""The words of free-form names and series descriptions: data for `words`, no logic.

Collected from protocol trees of Siemens, GE and Philips, TCIA collections (TCGA-GBM, UPENN-GBM, CPTAC, REMBRANDT) and
reports in English, German, French, Spanish, Italian, Dutch, Portuguese, Chinese and Japanese.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ccsd.studies.agents import AGENT_WORDS, CONTRAST_PHRASES
from ccsd.studies.evidence import FLAIR, T1, T2


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SEQUENCE_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("t1", "t1w", "t1wi", "t1weighted", "t1n", "ct1", "ct1w", "ct1wi", "mprage", "bravo"), T1),
    **dict.fromkeys(("spgr", "fspgr", "irfspgr", "irspgr", "vibe", "tfl3d", "t1c", "t1ce", "t1gd", "t1km"), T1),
    **dict.fromkeys(("t2", "t2w", "t2wi", "t2weighted"), T2),
    **dict.fromkeys(("flair", "fla", "darkfluid", "t2flair", "t2f"), FLAIR),
}
CONTRAST_IN_SEQUENCE = {"ct1", "ct1w", "ct1wi", "t1c", "t1ce", "t1gd", "t1km"}

AFTER_CONTRAST = AGENT_WORDS | word_set("post postcontrast postgad postgd postkm postcm enhanced enh enhancement")
BEFORE_CONTRAST = word_set(
    """pre precontrast pregad pregd prekm noncontrast nocontrast noncon without wo ohne sans senza sin zonder sem utan
    uten uden bez ilman fara unenhanced nonenhanced uncontrasted noncontrasted unenh plain nativ native nativa natif
    nativo nativni natywna natywny nativt natiivi basale blanco bianco simples nc nce noce nogad nogd prae avant vor
    antes prima voor przed pred before без до natyvus nonkontrast noncontrastado"""
)
PLANES = word_set("ax axi axial tra trans transversal transverse sag sagittal cor coronal obl oblique")
# Words that may stand inside a longer word without a gap (AXT1POST), where that word also names a sequence.
GLUED = PLANES | word_set(
    """3d 2d fs fatsat fat sat se tse fse frfse ffe tfe fl flash gre ir irse ge iso space spc cube vista blade
    propeller tirm brain head mr wip post pre gad gado gd km ce contrast postgad precontrast postcontrast nativ
    pos we dixon thin hr hires std"""
)
NEUTRAL = GLUED | word_set(
    """mri axials sags cors neuro skull routine clear sense grappa ipat p2 p3 w weighted weight with and mit und vol
    volume high res resolution norm dis2d dis3d nd flow comp fc mt mtc brainlab stealth navi navigation drive prop
    isotropic spir spair"""
)

# How an image was prepared: nothing of whose it is.
MADE = word_set(
    """reg registered registration coreg coregistered corrected n3 n4 n4itk bias biascorr biascorrected bfc brain bet
    stripped ss skullstripped skullstrip hdbet noskull deskull unstripped resampled resample resamp rsl rigid affine
    norm normalized normalised normalize zscore standardized std stdspace mni mni152 sri sri24 atlas space aligned align
    warped warp orig original raw preproc preprocessed proc processed prep denoised denoise dn defaced deface anon
    anonymized anonymised crop cropped padded isotropic iso final new copy conv converted nifti nii nrrd mha dicom dcm
    reoriented ras lps lpi lia bc hist histmatch histeq matched to in on t1space flairspace fixed moving transformed
    ants fsl freesurfer captk cleaned clean unbiased inu nu eq tilt roi voi"""
)
# How an image was acquired, beyond NEUTRAL: words that an export of one study has in one name and not in the next.
TECHNIQUE = word_set(
    """ac accelerated acpc acr adni adnia and asset axl bliss brainview ca caipi ch clear cmrr conc concat cs
    cut de double dual e echo entire fast fbb fe fgre fov fsems gap global grappa2 grappa3 i image images
    inplane intra ir l lava line localize long longtr lowres matrix max mb memprage min moco motion motioncorr
    mpr mprage mprge mr mrhr multi mvxd nav navigated nex non ns nsa oax ob ocor of op open osag pass pc pe
    planar polar promo proset prospective prot protocol ptk range redo repeat repeated rescan rest retro routine
    rpt rr save sec seq sequence series shc sl slab slice slices sms spc spgre ssfse state std stealth straight
    t te tera tfe th the thick thinner thrive ti tir tr tse2d tse3d v view volumetric vs w wip without xp"""
)

# Reason -> words. A name that has one of them is not taken, whatever else it says.
# Where it has several, the reason that stands first here is given.
REFUSALS: Mapping[str, frozenset[str]] = {
    "perfusion by spin labelling": word_set("asl pcasl pasl 3dasl"),
    "a localiser": word_set(
        """localizer localiser localisation localization lokalizer lokalisator loc locator scout survey topogram aahead
        aahscout 3plane smartbrain planscan repere"""
    ),
    "a calibration scan": word_set(
        "calibration cal refscan coilsense shim fieldmap fmap b0map b1map senserefscan prescan"
    ),
    "diffusion": word_set(
        """dwi dw diff diffusion difusion dti adc eadc dadc trace tracew tensor noddi hardi mddw b0 b800 b1000
        colfa tractography resolve dki ivim isodwi ddiffusion"""
    ),
    "perfusion": word_set(
        """perf perfusion perfusie dsc dce pwi cbf cbv rcbv rcbf mtt ttp tmax ktrans dynamic dynamics dynamisch dyn
        bolus"""
    ),
    "susceptibility-weighted or T2*": word_set(
        "swi swan swip t2star hemo haemo heme haem qsm venobold susceptibility sw medic"
    ),
    "angiography": word_set(
        "tof mra mrv angio angiography venogram venography inhance tricks twist pca arteries cemra"
    ),
    "spectroscopy": word_set("mrs csi spectro spectroscopy svs mrsi probe press"),
    "functional imaging": word_set("bold fmri rsfmri resting restingstate func task"),
    "a subtraction": word_set("sub subs subtraction subtracted subtract subtr subtrahiert subtraktion"),
    "a reformat": word_set(
        """mpr mprs mip mips minip mpvr reformat reformats reformatted reform rfmt projection mpt vrt rendering
        curved"""
    ),
    "a screen capture or report": word_set(
        "screensave screenshot screen report zipreport phoenix summary kiosk fused fusion overlay posdisp"
    ),
    "a mask or segmentation": word_set(
        """mask seg segmentation segmented label labels roi rois contour contours annotation lesionmask tumormask
        brainmask dseg"""
    ),
    "a steady-state image": word_set("ciss ciss3d fiesta trufi trufisp bffe balanced"),
    "a fat- or short-TI inversion image": word_set("stir"),
    "proton density": word_set("pd pdw proton"),
    "an inversion variant": word_set("mp2rage psir fgatir dir inv1 inv2 uni unit1 edge"),
    "a map": word_set("map maps mapping t1map t2map pdmap relaxometry r2 r2star symri magic mdme synthetic mtr ihmt"),
    "a phase image": word_set("phase pha ph real imaginary imag"),
    "molecular imaging": word_set("cest apt mre elastography"),
    "echo-planar: diffusion, perfusion or functional": word_set("epi ep2d ep"),
}
PERFUSION = "perfusion"  # the only refusal during which contrast agent is injected

BODY_PARTS = word_set(
    """spine cspine tspine lspine cspn hws bws lws cervical thoracic lumbar lumb sacrum wholespine neck hals orbit
    orbits orbita orbitae pituitary sella hypophysis hypophyse iac iacs iam iams cpa tmj parotid sinus sinuses
    knee knie hip shoulder abdomen liver leber prostate prostata pelvis becken breast cardiac heart wrist ankle
    foot myelo"""
)
BRAIN_WORDS = word_set("brain head hirn schadel kopf cerebral cerebrum cranium crane cabeza whole")

_WITHOUT = "(?:without|wo|ohne|sans|sin|zonder)"
# Applied in this order to the lower-case text: patterns of several words or signs -> one word of the lists above.
PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), f" {word} ")
    for pattern, word in (
        (r"(?<=[a-z0-9])-c(?![a-z0-9+])", "eitherway"),  # T1-C: minus contrast agent, or a hyphen and a C?
        (r"(?:^|(?<=\s))-c(?![a-z0-9])", "noncontrast"),
        (r"(?<=\s)-\sc(?![a-z0-9])|(?<=\s)-(?:ce|gd|gad|km|contrast)(?![a-z0-9])", "eitherway"),
        (r"(?<![a-z0-9])c\s?-(?=\s|$)", "noncontrast"),
        (r"^sub-[a-z0-9]+|(?<![a-z0-9])sub\d+(?![a-z0-9])", ""),  # a subject, not a subtraction
        (r"(?<![a-z0-9])sub[\s.#-]{1,2}\d+(?![a-z0-9])(?=.*(?:t1|t2|flair))", ""),
        (r"t2\s?-?\s?(?:\*|star)w?(?![a-z])", "t2star"),
        (r"(?<![a-z0-9])e(?:cho)?[\s-]?0?1(?![a-z0-9])", "firstecho"),
        (r"mp-?2-?rage", "mp2rage"),
        (r"(?<![a-z])(?:rs)?f\s?mri(?![a-z])", "fmri"),  # capitals in the middle of a word have been set apart
        (r"(?<![a-z])p\s?c?\s?asl(?![a-z])", "asl"),
        (r"pos\s?disp", "posdisp"),
        (r"m-?p[\s-]?rage", "mprage"),
        (r"ir-f?spgr", "irfspgr"),
        (r"dark[\s-]?fluid", "darkfluid"),
        (r"fat[\s-]?sat\w*", "fatsat"),
        (r"(?:3|three|tri)[\s-]?pl(?:ane|\b)\w*", "3plane"),
        (r"(?<![a-z])(?:c|t|l)[\s-]spine", "spine"),
        (r"\bw\s?/\s?o(?:ut)?\b|\bw-o\b", " wo "),
        (r"\bww/?o\b|\bw\s*[&+/]?\s*wo\b", "wwo"),
        (rf"\b(?:with|mit|avec|con|met)\b[\s&+/]*(?:and|und|et|y|en)?[\s&+/]*\b{_WITHOUT}\b", "wwo"),
        (r"\bwo\s*(?:[&+/]|and)?\s*(?:w|with)\b", "wwo"),
        (r"\bpost[\s-]?(?:op|surg|rt|xrt|treat|tx|chemo|fossa|proc|rad|ther|resect|biops)\w*", ""),
        (r"\bpre[\s-]?(?:op|surg|rt|treat|tx|chemo|scan|rad|ther|biops|sat)\w*", ""),
        (r"\b(?:no|non|without|wo|ohne|sans)[\s-]*(?:fs|fatsat|fat|gap|sat|sense|motion|flow|cs|norm|filt|mt)\w*", ""),
        *CONTRAST_PHRASES,
        (r"\bb\s?=?\s?(?:0|50|100|500|600|700|800|1000|1500|2000|3000)\b", "dwi"),
        (r"\bt1\s?-?w?\s?maps?\b|\bt2\s?-?w?\s?maps?\b", "map"),
    )
)  # fmt: skip
