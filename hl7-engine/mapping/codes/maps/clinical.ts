// Orders, results, medication, vaccination: HL7 tables of ORC, OBR, OBX, NTE, SPM, TQ1, RXA, RXO, RXR, SCH.
// After https://hl7.org/fhir/uv/v2mappings/concept_maps.html; `!` marks what is ours.
import type { ConceptMapSource } from '../concept-map.ts';

export const clinicalMaps: Readonly<Record<string, ConceptMapSource>> = {
  AdditivePreservative: {
    table: '0371',
    codes: `
      F10 C32 C38 HCL6 ACDA ACDB ACET AMIES HEPA BACTM BOR BOUIN BF10 WEST BSKM CARS CARY CHLTM CTAD ENT ENT+ JKM
      KARN LIA HEPL M4 M4RT M5 MICHTM MMDTM HNO3 NONE PAGE PHENOL KOX EDTK EDTK15 EDTK75 PVA RLM SST SILICA NAF
      FL100 FL10 NAPS HEPN EDTN SPS STUTM THROM FDP THYMOL THYO TOLU URETM VIRTM`,
  },
  AdministrationMethod: {
    table: '0165',
    codes: 'DU= IF= IR= IVPB= IVP= NB= PT= PF= SO= WI=',
  },
  AllowSubstitution: {
    table: '0161',
    codes: 'N G T',
  },
  AppointmentReasonCodes: {
    table: '0276',
    codes: 'WALKIN=',
  },
  AppointmentTypeCodes: {
    table: '0277',
    codes: 'Normal Tentative Complete',
  },
  BodySite: {
    table: '0163',
    codes: `
      BE OU BN BU CT LA LAC LACF LD LE LEJ OS LF LG LH LIJ LLAQ LLFA LMFA LN LPC LSC LT LUA LUAQ LUFA LVG LVL NB PA
      PERIN RA RAC RACF RD RE REJ OD RF RG RH RIJ RLAQ RLFA RMFA RN RPC RSC RT RUA RUAQ RUFA RVL RVG`,
  },
  CommentType: {
    table: '0364',
    codes: 'PI AI GI 1R 2R GR RE DR',
  },
  CompletionStatus: {
    table: '0322',
    system: 'http://hl7.org/fhir/event-status',
    otherwise: 'completed',
    codes: 'CP=completed RE=not-done NA=not-done PA=completed',
  },
  DiagnosticServiceSectionID: {
    table: '0074',
    codes: `
      AU BG BLB CG CUS CTH CT CH CP EC EN GE HM ICU IMM LAB MB MCB MYC NMS NMR NRS OUS OT OTH OSL PHR PT PHY PF RAD
      RX RUS RC RT SR SP TX VUS VR XRC !IMG !PAR !PAT !URN`,
  },
  DocumentConfidentialityStatus: {
    table: '0272',
    codes: 'V R U',
  },
  EventRelatedPeriod: {
    table: '0528',
    system: 'http://terminology.hl7.org/CodeSystem/v3-TimingEvent',
    codes: 'HS AC PC IC ACM ACD ACV PCM PCD PCV ICM ICD ICV =WAKE =C =CM =CD =CV',
    systems: {
      'http://terminology.hl7.org/CodeSystem/v2-0528': 'IC ICM ICD ICV',
    },
  },
  ExtendedPriorityCodes: {
    table: '0485',
    system: 'http://hl7.org/fhir/request-priority',
    codes: `
      S=stat A=asap R=routine P= C= T= TS<integer>= TM<integer>= TH<integer>= TD<integer>= TW<integer>= TL<integer>=
      PRN=`,
  },
  'FillerStatusCodes[Appointment]': {
    table: '0278',
    system: 'http://hl7.org/fhir/appointmentstatus',
    codes: `
      Pending=pending Waitlist=waitlist Booked=booked Started=checked-in Complete=fulfilled Cancelled=cancelled
      !Discontinued=cancelled Deleted=entered-in-error !Blocked=pending !Overbook=booked Noshow=noshow
      !PENDING=pending !WAITLIST=waitlist !BOOKED=booked !STARTED=checked-in !COMPLETE=fulfilled !CANCELLED=cancelled
      !DISCONTINUED=cancelled !DELETED=entered-in-error !OVERBOOK=booked !NOSHOW=noshow
      !BLOCKED=pending !SCHEDULED=booked !CONFIRMED=booked !ARRIVED=arrived !CANCELED=cancelled`,
  },
  InterpretationCodes: {
    table: '0078',
    system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation',
    codes: `
      < > A AA !AC B CAR D DET E EX EXP H HH !HM HU I IE IND L LL LU MS N NCL ND NEG NR NS !OBX POS !QCF R RR S SDD
      SYN-R SYN-S !TOX U VS UNE W WR`,
  },
  NatureOfAbnormalTesting: {
    table: '0080',
    codes: 'A N R S SP B ST',
  },
  ObservationResultStatusCodesInterpretation: {
    table: '0085',
    system: 'http://hl7.org/fhir/observation-status',
    otherwise: 'unknown',
    codes: `
      A=amended !B=amended C=corrected D=entered-in-error F=final !I=registered !N=final !O=registered P=preliminary
      !R=preliminary !S=preliminary !V=final X=cancelled !U=final W=entered-in-error`,
  },
  'OrderControlCode[ServiceRequest.status]': {
    table: '0119',
    system: 'http://hl7.org/fhir/request-status',
    otherwise: 'unknown',
    codes: `
      AF=active CA=active CH= CN= CP= CR=revoked DC=revoked DE= DF=revoked DR=revoked FU=completed HD=active
      HR=on-hold LI= NA= NW=active OC=revoked OD=revoked OE= OF= OH=on-hold OK=active OP= OR= PA= PR=active
      PY=active RE= RF= RL=active RO=active RP= RQ=active RR= RU= SC= SN= SR= SS= UA= UC= UD= UF= UH= UM= UN= UR=
      UX= XO= XR= XX= MC=`,
  },
  OrderStatus: {
    table: '0038',
    system: 'http://hl7.org/fhir/request-status',
    otherwise: 'unknown',
    codes: `
      CA=revoked CM=completed DC=revoked ER=entered-in-error HD=on-hold IP=active RP=revoked SC=active !A=active`,
  },
  OrderType: {
    table: '0482',
    system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode',
    codes: 'I=HOSP O=OF',
    displays: {
      HOSP: 'Hospital',
      OF: 'Outpatient facility',
    },
  },
  RepeatPattern: {
    table: '0335',
    codes: `
      Q<integer>S Q<integer>M Q<integer>H =Q1H =Q2H =Q3H =Q4H =Q6H =Q8H Q<integer>D =QD Q<integer>W =WK Q<integer>L
      =MO Q<integer>J<day#> BID TID QID xID QAM QSHIFT QOD QHS QPM C PRN PRNxxx Once A P I M D V =AM =PM =BED`,
    systems: {
      'http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation':
        'Q1H Q2H Q3H Q4H Q6H Q8H QD WK MO BID TID QID QOD AM PM BED',
    },
  },
  'ResultStatus[Non-Queries]': {
    table: '0123',
    system: 'http://hl7.org/fhir/diagnostic-report-status',
    otherwise: 'unknown',
    codes: `
      O=registered I=registered S=registered !A=partial P=preliminary C=corrected R=partial F=final X=cancelled Y=
      Z= !M=preliminary !N=registered`,
  },
  RouteOfAdministration: {
    table: '0162',
    codes: `
      AP B DT EP ET GTT GU IMR IA IB IC ICV ID=IDINJ IH IHA IM IN IO IP IS IT IU IV=IVINJ MTH MM NS NG NP NT OP OT
      OTH PF PO PR RM SD SC=SQ SL TP TRA TD=TRNSDERM TL UR VG VM WND`,
    systems: {
      'http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration': 'IDINJ IM IVINJ PO SQ TRNSDERM',
    },
  },
  SegmentActionCode: {
    table: '0206',
    system: 'http://hl7.org/fhir/http-verb',
    codes: 'A=POST D=DELETE U=PUT X=',
  },
  SpecimenCollectionMethod: {
    table: '0488',
    codes: `
      FNA PNA BCAE BCAN BCPD CAP CATH EPLA ESWA LNA CVP LNV MARTL ML11 PACE PIN KOFFP MLP NYP TMP ANP BAP PRIME PUMP
      QC5 SCLP SHA SWA SWD WOOD TMOT TMAN TMCH TMM4 TMMY TMPV TMSC TMUP TMVI VENIP`,
  },
  SpecimenCondition: {
    table: '0493',
    codes: 'AUT CLOT CON COOL FROZ HEM LIVE ROOM SNR CFU',
  },
  SpecimenRejectReason: {
    table: '0490',
    codes: 'EX QS RB RC RD RA RE RH RI RM RN RP RR RS',
  },
  SpecimenType: {
    table: '0487',
    codes: `
      ACNE ACNFLD AIRS ALL AMN AMP ANGI ARTC ASERU ASP ATTE AUTOA AUTOC AUTP BBL BCYST BDY BIFL BITE BLD BLDA BLDCO
      BLDV BLEB BLIST BOIL BON BOWL BPH BPU BRN BRSH BRTH BRUS BUB BULLA BX CALC CARBU CAT CBITE CDM CLIPP CNJT CNL
      COL CONE CSCR CSERU CSF CSITE CSMY CST CSVR CTP CUR CVM CVPS CVPT CYN CYST DBITE DCS DEC DEION DIA DIAF DISCHG
      DIV DRN DRNG DRNGP DUFL EARW EBRUSH EEYE EFF EFFUS EFOD EISO ELT ENVIR EOS EOTH ESOI ESOS ETA ETTP ETTUB EWHI
      EXG EXS EXUDTE FAW FBLOOD FGA FIB FIST FLD FLT FLU FLUID FOLEY FRS FSCLP FUR GAS GASA GASAN GASBR GASD GAST
      GENL GENV GRAFT GRAFTS GRANU GROSH GSOL GSPEC GT GTUBE HAR HBITE HBLUD HEMAQ HEMO HERNI HEV HIC HYDC IBITE
      ICYST IDC IHG ILEO ILLEG IMP INCI INFIL INS INTRD ISLT IT IUD IVCAT IVFLD IVTIP JEJU JNTFLD JP KELOI KIDFLD
      LAVG LAVGG LAVGP LAVPG LENS1 LENS2 LESN LIQ LIQO LNA LNV LSAC LYM MAC MAHUR MAR MASS MBLD MEC MILK MLK MUCOS
      MUCUS NAIL NASDR NEDL NEPH NGASP NGAST NGS NODUL NSECR ORH ORL OTH PACEM PAFL PCFL PDSIT PDTS PELVA PENIL
      PERIA PILOC PINS PIS PLAN PLAS PLB PLC PLEVS PLR PMN PND POL POPGS POPLG POPLV PORTA PPP PROST PRP PSC PUNCT
      PUS PUSFR PUST QC3 RANDU RBC RBITE RECT RECTA RENALC RENC RES SAL SCAR SCLV SCROA SECRE SER SHU SHUNF SHUNT
      SITE SKBP SKN SMM SMN SNV SPRM SPRP SPRPB SPS SPT SPTC SPTT SPUT1 SPUTIN SPUTSP STER STL STONE SUBMA SUBMX
      SUMP SUP SUTUR SWGZ SWT TASP TEAR THRB TISS TISU TLC TRAC TRANS TSERU TSTES TTRA TUBES TUMOR TZANC UDENT UMED
      UR URC URINB URINC URINM URINN URINP URNS URT USCOP USPEC USUB VASTIP VENT VITF VOM WASH WASI WAT WB WBC WEN
      WICK WND WNDA WNDD WNDE WORM WRT WWA WWO WWT`,
  },
  TestServiceDefaultDurationUnits: {
    table: '',
    system: 'http://unitsofmeasure.org',
    codes: '=s =min =h =d =wk =mo =a',
  },
  'YesNoIndicator[AvailabilityStatus]': {
    table: '0136',
    system: 'http://hl7.org/fhir/specimen-status',
    codes: 'Y=available N=unavailable',
  },
};
