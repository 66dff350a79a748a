"""Series descriptions that others have sorted by hand, found after the rules were written: a check that they hold.

As facts from public lists: brain metastases of a New York hospital, PPMI's heuristics, RHUH-GBM and UPENN-GBM at TCIA,
a Chinese hospital's glioma series, vendor vocabularies, a table of gadolinium studies. Answers are as in `real_names`;
where a list says T1ce of a description that does not speak of contrast agent, no answer (`?`) is the right answer. When
the rules met the first 231 of them, 5 were answered wrongly and one was not answered; then the rules were mended.
"""

LISTS = {
    "t1": """
        ax t1 | ax t1 pre | ax t1 pre_fbb | t1 se ax brain_pre | t1ax | ax t1 fse | t1 3d axial | ax t1 acr |
        ax t1 pre brain | axial t1 | ax t1 brain | MPRAGE 2 ADNI | MPRAGE w/ GRAPPA | MPRAGE GRAPPA2(adni) |
        SAG T1 3D MPRAGE | sT1W_3D_FFE | sT1W_3D_ISO | sT1W_3D_TFE | sag 3D FSPGR BRAVO straight |
        SAG T1 3D FSPGR 3RD REPEAT | SAG SPGR 3D | axial spgr | T1W_3D_FFE AX | 3D T1-weighted | 3D T1 _weighted |
        Accelerated Sag IR-FSPGR | T1-weighted, 3D VOLUMETRIC | tra_T1_MPRAGE | 3DT1 weighted volume | 3D T1W |
        AX T1 FLAIR | Ax T1,Flair | OAx T1 FLAIR | Sag T1,Flair | OSag T1 FLAIR | T1 3D VIBE AXIAL  avant gado |
        AX T1 PRE : Processed_CaPTk | t1_fl2d_tra | BRAVO | 3D_FSPGR_BRAVO | t1_mprage_moco | t1_tse_tra_Kopf_0002 |
        Sag T1 GLOBAL | 201_WIP_cs_2.8_T1W_3D_TFE | MPRAGEadni | MPRAGE GRAPPA_ND | SAG T1 3DMPRAGE | T1 Repeat |
        SAG MPRAGE GRAPPA2-NEW2016 | FSPGR 3D SAG | SAG FSPGR 3D VOLUMETRIC T1 | T1 axial : Processed_CaPTk
    """,
    "t1ce": """
        ax t1 post_fbb | t1 ax post | ax t1 fs post | t1 se ax_post | post ax t1 fc | axl t1 post (5mm) |
        ax t1 post acr | axial t1 post | ax t1 brain post | axi t1 se+c | AX T1 SE C+ | OAx T1+C | Ax T1,Flair +C |
        OSag T1+C | Sag CUBE T1 +C | Cor T1,Flair +C | OCor T1+C | Obl T1 3D FSPGR IR IV | 3D Ax BRAVO C |
        T1 3D VIBE AXIAL FS  GADO | T1-FFE-PROSET-GD SENSE | COR T1 POST FS: Processed_CaPTk |
        T1 MPRAGE SAG ISO post gad: Processed_CaPTk | AX T1  POST : Processed_CaPTk | t1 axial stealth-post |
        AXIAL T1 FLOW COMP POST | T1 Gado post op | 3D t1 gado | Ax 3D T1 Gado | t1_cor_tse post gad |
        T1 CON GADOLINIO | 3D T1 POS CONTRASTE | 3D T1 PÓS-CONTRASTE | 3D T1 BRAVO GD | T1 C+ 3D | MPRAGE POST |
        t1_ce_ax | AXL T1 MPRAGE FS POST | T1 3D AX POST_S5_DIS3D | 10_T1  AXIAL 2MM POST repeat_S7_DIS3D |
        3D AX T1 Post-contrast Intra-op Thin-cut | T1W_3D_TFE_sag_KM_1001 | t1_tse_tra_ce | T1W_AX+C FAT SAT |
        T1_MPRAGE_SAG_P2_1_0_ISO_POST_0071 | T1 Ax Post Brain | T1gd axial | ax t1 with contrast brain |
        ax t1 mit gd brain | AX T1 POST STEALTH_TERA | POST AX T1  FS FSE: Processed_CaPTk | T1CE | Ax T1 GAD
    """,
    "t2": """
        ax t2 | ax t2_fbb | t2 ax | ax t2 new | t2 tse ax brain | ax t2 fs | axl t2 tse | t2_3d axial |
        ax t2 brain post | ax t2_rr | axi fse t2 | post ax t2 | t2 cor | T2W_TSE | AX T2 AC-PC LINE ENTIRE BRAIN |
        Ax T2 Fse thin ac-pc | AXIAL FSE T2 FS | AX T2 FRFSE | FL:C/OAx T2 PROPELLER | t2_tse_tra_P2_24slice |
        t2_space_sag_p2_iso | Ax_CUBE_T2 | 2D T2 weighted | Ax FRFSE T2 | WIP AX T2 MVXD | B Ax T2 |
        T2 AX 3MM STRAIGHT (post)_S4_DIS3D | t2_tra_tse_320_4mm
    """,
    "flair": """
        ax flair | ax flair_fbb | 3d flair space | ax t2 flair | flair ax | axi t2 flair | ax flair t2 | t2 ax flair |
        ax flair no fs | ax flair brain post | t2_FLAIR_P3 | t2_tirm_tra_dark-fluid | Ax Flair irFSE |
        OAx T2 FLAIR+C | 2D fast FLAIR | T2 FLAIR 3D SAG 1.25 FS | Ax T2 FLAIR ASSET | Flair Long | T2W_FLAIR |
        WIP AX FLAIR MVXD | t2_flair_sag_p2_iso | T2_FLAIR 3MM_S2_DIS3D | t2_space_dark-fluid_sag_p2_iso |
        3D-T2-FLAIR SAG NUEVO-1 | T2 Axial FLAIR | COR_FLAIR_0103 | FLAIR_LongTR SENSE | Cor FLAIR TI_2800ms |
        Ax T2 FLAIR  ang to ac-pc | AX T2 FLAIR 5/1 | Flair post op | t2_tirm_TRA_dark-fluid_3mm
    """,
    "?": """
        ax 3d mpr new-3t | ax mpr | 3D SAG | TRA | t1_tirm_tra_dark-fluid post pre | sT2W/PD_TSE | Axial PD-T2 TSE |
        AX DE TSE | AX T2 DE | t2 weighted double echo | PD-T2 DUAL AXIAL TSE | Ax PD /T2 | MRI BRAIN WO IVCON |
        Processed Images | b1234_scan | Transverse
    """,
    "no": """
        ax diffusion mb2_adc | mb2_diffusion_trace_adc | axl dwi_adc | AX DIFUSION B 1500 | DIFUSION 2000b |
        DIFFUSION EPI 3bTRACEWDFC | T2 EG TRA 256 NEW | 3-Pl T2* FGRE | Screen Save | SCREENSAVE | OAx DWI Asset |
        Apparent Diffusion Coefficient (mm2/s) | Exponential Apparent Diffusion Coefficient | PhoenixZIPReport |
        PosDisp: [3] t2_tse_tra_P2_24slice  | PosDisp: [11] T1 TIR cor P3 | Mag_Images | csi_se_30_fast |
        mIP_Images(SW) | Pha_Images | SWI_Images | FILT_PHA: OAx SWI | MPR Ob_Ax_I -> S_Min IP_sp:5.0_th:5.0 |
        MultiPlanar Reconstruction (MPR) Ob_Ax_S -> I | OAx PWI 50 Phase | ASSET Calibration | Ax DWI 1000b | LOC |
        2D CSI-PROBE 35 | OAx eDWI b=10 | CEST_ssfse | Ax DTI 13 Directions | AX 3D ASL | TOF_3D_multi-slab_MIP_SAG |
        <MIP Range[1]> | 3 Plane Localizer | MIDLINE SAG LOC | B0rf Map | Cal Head 24 | IsoADC | AX PD  5/1 |
        Ax 3D SWAN GRE straight | SURVEY | Field_mapping | GRE B0 | HighResHippo DTI | MP RAGE FS +C SUB |
        ep2d_pace_moco | tof_fl3d_tra_multi-slab | pd_tse_cor | t2_swi_tra_p2 | asl_3d_tra_iso | gre_field_map |
        ep2d_se_pe_polar | 3D_TOF_SPGR | fMRI_REST_SENSE | SWIp | B0_map | pCASL | AAhead_scout | EPAD-SE-fMRI |
        3D TOF MRA | T1 Ax Post fs IAC | t2_tse_dixon_tra_384_2mm_in | t1_fl3d_tra_dynVIEWS_spair_2nd pass |
        T2 COR dixon_(IN W)_F | t1_tse_tra_fs_Becken_0008 | t1_tse_tra_fs_mbh_Leber_0004 | CMRR_b1k_64 |
        difference_map | 7_Diff Ax | ep2d_RESTING_STATE | REPEAT_NON DTI_GATED | EPAD-rsfMRI (Eyes Open) |
        B0 mapping | 3Plane Loc SSFSE
    """,
}
FOREIGN = [(description.strip(), answer) for answer, text in LISTS.items() for description in text.split("|")]
