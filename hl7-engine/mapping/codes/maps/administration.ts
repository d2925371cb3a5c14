// Patient administration: HL7 tables of PID, PD1, NK1, PV1, PV2, IN1, DG1, AL1.
// After https://hl7.org/fhir/uv/v2mappings/concept_maps.html; `!` marks what is ours.
import type { ConceptMapSource } from '../concept-map.ts';

export const administrationMaps: Readonly<Record<string, ConceptMapSource>> = {
  'AddressType[Type]': {
    table: '0190',
    system: 'http://hl7.org/fhir/address-type',
    codes: 'M=postal SH=postal BA= BI= N= BDL= F= C= B= H= L= O= P= RH= BR= S= TM= V=',
  },
  'AddressType[Use]': {
    table: '0190',
    system: 'http://hl7.org/fhir/address-use',
    codes: `
      BA=old BI=billing N= BDL= F= C=temp B=work H=home L= M= O=work P= RH= BR= S= SH= TM= V= !HOME=home`,
  },
  AdministrativeSex: {
    table: '0001',
    system: 'http://hl7.org/fhir/administrative-gender',
    otherwise: 'unknown',
    codes: 'F=female M=male O=other U=unknown A=other N=other',
  },
  AdmissionLevelOfCareCode: {
    table: '0432',
    codes: 'AC CH CO CR IM MO',
  },
  AdmissionType: {
    table: '0007',
    codes: 'A E L R N U C',
  },
  'AllergenType[AllergyIntoleranceCategory]': {
    table: '0127',
    system: 'http://hl7.org/fhir/allergy-intolerance-category',
    codes: 'DA=medication FA=food MA= MC= EA=environment AA=biologic PA=environment LA=environment',
  },
  'AllergenType[AllergyIntoleranceOriginalCategory]': {
    table: '0127',
    codes: 'DA FA MA MC EA AA PA LA',
  },
  'AllergySeverity[AllergyIntolerance.criticality-original]': {
    table: '0128',
    codes: 'SV MO MI U',
  },
  'AllergySeverity[AllergyIntolerance.criticality]': {
    table: '0128',
    system: 'http://hl7.org/fhir/allergy-intolerance-criticality',
    codes: 'SV=high MO= MI=low U=',
  },
  'AllergySeverity[AllergyIntolerance.reaction.severity]': {
    table: '0128',
    system: 'http://hl7.org/fhir/reaction-event-severity',
    codes: 'SV=severe MO=moderate MI=mild U=',
  },
  AllergyType: {
    table: '0127',
    system: 'http://hl7.org/fhir/allergy-intolerance-type',
    codes: 'DA=allergy FA=allergy MA=allergy MC= EA=allergy AA=allergy PA=allergy LA=allergy',
  },
  AmbulatoryStatus: {
    table: '0009',
    codes: 'A0= A1= A2=wheel A3 A4 A5 A6 A7 A8 A9 B1 B2 B3 B4 B5 B6',
    systems: {
      'http://terminology.hl7.org/CodeSystem/encounter-special-arrangements': 'wheel',
    },
    displays: {
      wheel: 'Wheelchair',
      A3: 'Comatose; non-responsive',
      A4: 'Disoriented',
      A5: 'Vision impaired',
      A6: 'Hearing impaired',
      A7: 'Speech impaired',
      A8: 'Non-English speaking',
      A9: 'Functional level unknown',
      B1: 'Oxygen therapy',
      B2: 'Special equipment (tubes, IVs, catheters)',
      B3: 'Amputee',
      B4: 'Mastectomy',
      B5: 'Paraplegic',
      B6: 'Pregnant',
    },
  },
  BedStatus: {
    table: '0116',
    codes: 'C H O U K I',
  },
  ContactRole: {
    table: '0131',
    codes: 'E C F I N S O U',
  },
  DegreeLicenseCertificate: {
    table: '0360',
    codes: `
      PN AAS AA ABA AE AS BA BBA BE BFA BN BS BSL BSN BT CER CANP CMA CNP CNM CRN CNS CPNP CTR DIP DBA DED PharmD
      PHE PHD PHS MD DO EMT EMTP FPNP HS JD MA MBA MCE MDI MED MEE ME MFA MME MS MSL MSN MTH MDA MT NG NP PA RMA RN
      RPH SEC TS`,
  },
  DiagnosisType: {
    table: '0052',
    system: 'http://terminology.hl7.org/CodeSystem/diagnosis-role',
    codes: 'A=AD W= F=',
    displays: {
      AD: 'Admission diagnosis',
    },
  },
  DietType: {
    table: '0114',
    system: 'http://terminology.hl7.org/CodeSystem/diet',
    codes: '',
  },
  DischargeDisposition: {
    table: '0112',
    system: 'http://terminology.hl7.org/CodeSystem/discharge-disposition',
    codes: `
      !01=home !02=other-hcf !03=snf !05=other-hcf !06=home !07=aadvice !08=home !20=exp !40=exp !41=exp !42=exp`,
  },
  EncounterPriority: {
    table: '0217',
    system: 'http://terminology.hl7.org/CodeSystem/v3-ActPriority',
    codes: '1=EM 2=UR 3=EL',
    displays: {
      EM: 'emergency',
      UR: 'urgent',
      EL: 'elective',
    },
  },
  'Event[EncounterStatus]': {
    table: '0003',
    system: 'http://hl7.org/fhir/encounter-status',
    codes: `
      A01=in-progress A02=in-progress A03=finished A04=planned A05=planned A08=unknown A11=cancelled A13=in-progress`,
  },
  FinancialClass: {
    table: '0064',
    codes: '',
  },
  IdentifierType: {
    table: '0203',
    codes: `
      ACSN AM AMA AN ANON ANC AND ANT APRN ASID BA BC BCT BR BRN BSNR CC CONM CZ CY DDS DEA DI DFN DL DN DO DP DPM
      DR DS EI EN ESN FI GI GL GN HC JHN IND LACSN LANR LI LN LR MA MB MC MCD MCN MCR MCT MD MI MR MRT MS NBSNR NCT
      NE NH NI NII NIIP NNxxx NP NPI OD PA PC PCN PE PEN PI PN PNT PPIN PPN PRC PRN PT QA RI RPH RN RR RRI RRP SID
      SL SN SP SR SS TAX TN TPR U UPIN USID VN VP VS WC WCN WP XX
      !AC !AIN !CAAI !DC !DCFS !FDR !FDRFN !FGN !FILL !IRISTEM !L&I !OBI !PGN !PHC !PHE !PHO !PIN !PLAC !SAMN
      !SB !SNBSN !SNO !SRX !STN !TRL !UDI !XV`,
  },
  LivingWillCode: {
    table: '0315',
    codes: 'Y F N I U',
  },
  MaritalStatus: {
    table: '0002',
    system: 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus',
    codes: 'A=L D M S W C= G=T P=T R=T E=L N=A I B=U U=UNK O=OTH T=NAVU',
    systems: {
      'http://terminology.hl7.org/CodeSystem/v3-NullFlavor': 'UNK OTH NAVU',
    },
    displays: {
      L: 'Legally Separated',
      D: 'Divorced',
      M: 'Married',
      S: 'Never Married',
      W: 'Widowed',
      T: 'Domestic partner',
      A: 'Annulled',
      I: 'Interlocutory',
      U: 'unmarried',
      UNK: 'unknown',
      OTH: 'other',
      NAVU: 'Not available',
    },
  },
  ModeOfArrivalCode: {
    table: '0430',
    codes: 'A C F H P O U',
  },
  NameAssemblyOrder: {
    table: '0444',
    codes: 'G F',
  },
  NameType: {
    table: '0200',
    system: 'http://hl7.org/fhir/name-use',
    codes: `
      BAD=old A= B= C= D=usual F= I= K= L=official M=maiden MSK=anonymous N=nickname NAV=temp NB= !NOUSE=old P=
      R=official REL= !S=anonymous T= TEMP=temp U=`,
  },
  OrganizationalNameType: {
    table: '0204',
    codes: 'A L D SL',
  },
  Participation: {
    table: '0912',
    system: 'http://terminology.hl7.org/CodeSystem/practitioner-role',
    codes: `
      PH=pharmacist AAP= AC= AD= AI= AP= ARI= AT= AUT= CP= DP= EP= EQUIP= FHCP= MDIR= OP= OS= PB= PI= PO= POMD= PP=
      PRI= RCT= RO= RP= RT= SB= SC= TN= TR= VP= VPS= VTS= WAY= WAYR=`,
    displays: {
      pharmacist: 'Pharmacist',
    },
  },
  'PatientClass[EncounterClass]': {
    table: '0004',
    codes: 'E=EMER I=IMP O=AMB P=PRENC R B C N U',
    systems: {
      'http://terminology.hl7.org/CodeSystem/v3-ActCode': 'EMER IMP AMB PRENC',
    },
    displays: {
      EMER: 'emergency',
      IMP: 'inpatient encounter',
      AMB: 'ambulatory',
      PRENC: 'pre-admission',
      R: 'Recurring patient',
      B: 'Obstetrics',
      C: 'Commercial Account',
      N: 'Not Applicable',
      U: 'Unknown',
    },
  },
  'PatientClass[EncounterStatus]': {
    table: '0004',
    system: 'http://hl7.org/fhir/encounter-status',
    otherwise: 'unknown',
    codes: `
      E=in-progress I=in-progress O=in-progress P=planned R=in-progress B=in-progress C=in-progress N=in-progress
      U=unknown`,
  },
  PractitionerIDNumberType: {
    table: '0338',
    system: 'http://terminology.hl7.org/CodeSystem/v2-0203',
    codes: `
      CY DEA GL LI L&I=LI MCD MCR QA SL TAX TRL UPIN =DL =PPN =BRN =MR =MCN =EN =NIIP =PRN =MD =DR =ACSN =UDI =SNO
      =SB =PLAC =FILL =JHN`,
    systems: {
      'http://terminology.hl7.org/CodeSystem/v2-0338': 'CY DEA GL LI MCD MCR QA SL TRL UPIN',
    },
  },
  PreferredMethodOfContact: {
    table: '0185',
    codes: 'B C E F H O',
  },
  ProviderRole: {
    table: '0443',
    system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType',
    codes: `
      AD=ADM AP= AT=ATND CLP= CP=CON DP= EP= FHCP= IP= MDIR= OP= PH= RO= RP=REF RT= TR= AI= TN= VP= VPS= VTS=`,
    displays: {
      ADM: 'admitter',
      ATND: 'attender',
      CON: 'consultant',
      REF: 'referrer',
    },
  },
  PublicityCode: {
    table: '0215',
    codes: 'F N O U',
  },
  ReadmissionIndicator: {
    table: '0092',
    codes: 'R',
  },
  Relationship: {
    table: '0063',
    system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode',
    codes: `
      SEL=ONESELF SPO=SPS DOM=SIGOTHR CHD=CHILD GCH=GRNDCHILD NCH=NCHILD SCH=STPCHLD FCH=CHLDFOST DEP WRD PAR=PRN
      MTH FTH CGV GRD GRP=GRPRN EXF=EXT SIB BRO SIS FND=FRND OAD EME EMR=E ASC EMC=C OWN TRA MGR NON UNK=U OTH=O`,
    systems: {
      'http://terminology.hl7.org/CodeSystem/v2-0063': 'DEP WRD CGV GRD OAD EME ASC OWN TRA MGR NON',
      'http://terminology.hl7.org/CodeSystem/v2-0131': 'E C U O',
    },
    displays: {
      ONESELF: 'self',
      SPS: 'spouse',
      SIGOTHR: 'significant other',
      CHILD: 'child',
      GRNDCHILD: 'grandchild',
      NCHILD: 'natural child',
      STPCHLD: 'step child',
      CHLDFOST: 'foster child',
      DEP: 'Handicapped dependent',
      WRD: 'Ward of court',
      PRN: 'parent',
      MTH: 'mother',
      FTH: 'father',
      CGV: 'Care giver',
      GRD: 'Guardian',
      GRPRN: 'grandparent',
      EXT: 'extended family member',
      SIB: 'sibling',
      BRO: 'brother',
      SIS: 'sister',
      FRND: 'unrelated friend',
      OAD: 'Other adult',
      EME: 'Employee',
      E: 'Employer',
      ASC: 'Associate',
      C: 'Emergency Contact',
      OWN: 'Owner',
      TRA: 'Trainer',
      MGR: 'Manager',
      NON: 'None',
      U: 'Unknown',
      O: 'Other',
    },
  },
  Religion: {
    table: '0006',
    system: 'http://terminology.hl7.org/CodeSystem/v3-ReligiousAffiliation',
    codes: `
      A=1007 B=1009 C= E=1069 J=1026 L=1028 M=1027 N=1020 P=1077 AGN=1004 ATH=1007 BAH=1008 BRE=1062 BUD= BMA=1029
      BTH=1051 BTA= BOT= CFR= CHR=1013 ABC= AMT= AME= ANG=1005 AOG=1061 BAP=1009 CRR=1079 CHS=1063 CMA= COC=1064
      COG=1065 COI= COM= COL=1066 EOT=1068 EVC= EPI=1069 FWB= FRQ=1071 FUL=1072 GRE= JWN=1025 MOM=1027 LUT=1028 LMS=
      MEN= MET=1073 NAZ=1075 ORT=1036 PEN=1038 COP= PRE=1076 PRO=1077 PRC=1078 QUA=1071 REC=1079 REO= CAT=1041
      SAA=1080 SEV=1001 SOU= UCC=1082 UMD= UNI=1052 UNU=1081 WES= WMC= COT= CNF=1014 DOC=1067 ERL= HIN= HSH=1020
      HVA=1020 HOT=1020 JAI=1024 JEW= JCO= JOR= JRC= JRF= JRN= JOT= MOS=1023 MSH=1045 MSU=1049 MOT= NAM=1074 NRL=
      NOE= SHN=1046 SIK=1047 SPI=1048 OTH= VAR=`,
  },
  TelecommunicationEquipmentType: {
    table: '0202',
    system: 'http://hl7.org/fhir/contact-point-system',
    codes: `
      PH=phone FX=fax MD=other !CP=phone SAT=other BP=pager Internet=email X.400=email TDD=other TTY=other`,
  },
  TelecommunicationUseCode: {
    table: '0201',
    system: 'http://hl7.org/fhir/contact-point-use',
    codes: 'PRN=home !ORN=home WPN=work !VHN=temp ASN= EMR= NET= BPN= PRS=mobile !HOME=home',
  },
  VIPIndicator: {
    table: '0099',
    codes: '',
  },
  VisitUserCode: {
    table: '0130',
    codes: 'TE HO MO PH',
  },
  YesNoIndicator: {
    table: '0136',
    system: 'http://terminology.hl7.org/CodeSystem/special-values',
    codes: 'Y=true N=false',
  },
};
