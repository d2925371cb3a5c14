// Messages, languages, countries: HL7 tables of MSH, EVN and of data types.
// After https://hl7.org/fhir/uv/v2mappings/concept_maps.html; `!` marks what is ours.
import type { ConceptMapSource } from '../concept-map.ts';

const languages: ConceptMapSource = {
  table: '0296',
  system: 'urn:ietf:bcp:47',
  codes: `
    =ar =bn =cs =da =de =de-AT =de-CH =de-DE =el =en =en-AU =en-CA =en-GB =en-IN =en-NZ =en-SG =en-US =es =es-AR
    =es-ES =es-UY =fi =fr =fr-BE =fr-CH =fr-FR =fy =fy-NL =hi =hr =it =it-CH =it-IT =ja =ko =nl =nl-BE =nl-NL =no
    =no-NO =pa =pl =pt =pt-BR =ru =ru-RU =sr =sr-RS =sv =sv-SE =te =zh =zh-CN =zh-HK =zh-SG =zh-TW`,
};

export const messageMaps: Readonly<Record<string, ConceptMapSource>> = {
  CountryCode: {
    table: '0399',
    system: 'urn:iso:std:iso:3166',
    codes: `
      AFG ALB DZA ASM AND AGO AIA ATA ATG ARG ARM ABW AUS AUT AZE BHS BHR BGD BRB BLR BEL BLZ BEN BMU BTN BOL BES
      BIH BWA BVT BRA IOT BRN BGR BFA BDI CPV KHM CMR CAN CYM CAF TCD CHL CHN CXR CCK COL COM COD COG COK CRI HRV
      CUB CUW CYP CZE CIV DNK DJI DMA DOM ECU EGY SLV GNQ ERI EST SWZ ETH FLK FRO FJI FIN FRA GUF PYF ATF GAB GMB
      GEO DEU GHA GIB GRC GRL GRD GLP GUM GTM GGY GIN GNB GUY HTI HMD VAT HND HKG HUN ISL IND IDN IRN IRQ IRL IMN
      ISR ITA JAM JPN JEY JOR KAZ KEN KIR PRK KOR KWT KGZ LAO LVA LBN LSO LBR LBY LIE LTU LUX MAC MDG MWI MYS MDV
      MLI MLT MHL MTQ MRT MUS MYT MEX FSM MDA MCO MNG MNE MSR MAR MOZ MMR NAM NRU NPL NLD NCL NZL NIC NER NGA NIU
      NFK MKD MNP NOR OMN PAK PLW PSE PAN PNG PRY PER PHL PCN POL PRT PRI QAT ROU RUS RWA REU BLM SHN KNA LCA MAF
      SPM VCT WSM SMR STP SAU SEN SRB SYC SLE SGP SXM SVK SVN SLB SOM ZAF SGS SSD ESP LKA SDN SUR SJM SWE CHE SYR
      TWN TJK TZA THA TLS TGO TKL TON TTO TUN TKM TCA TUV TUR UGA UKR ARE GBR UMI USA URY UZB VUT VEN VNM VGB VIR
      WLF ESH YEM ZMB ZWE ALA`,
  },
  EventReason: {
    table: '0062',
    system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
    codes: '01=PATRQT 02=TREAT 03=HOPERAT O U',
    systems: {
      'http://terminology.hl7.org/CodeSystem/v2-0062': 'O U',
    },
    displays: {
      PATRQT: 'patient requested',
      TREAT: 'treatment',
      HOPERAT: 'healthcare operations',
      O: 'Other',
      U: 'Unknown',
    },
  },
  EventType: {
    table: '0003',
    codes: `
      A01 A02 A03 A04 A05 A06 A07 A08 A09 A10 A11 A12 A13 A14 A15 A16 A17 A18 A19 A20 A21 A22 A23 A24 A25 A26 A27
      A28 A29 A30 A31 A32 A33 A34 A35 A36 A37 A38 A39 A40 A41 A42 A43 A44 A45 A46 A47 A48 A49 A50 A51 A52 A53 A54
      A55 A60 A61 A62 B01 B02 B03 B04 B05 B06 B07 B08 C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 CNQ E01 E02
      E03 E04 E10 E12 E13 E15 E20 E21 E22 E24 E30 E31 I01 I02 I03 I04 I05 I06 I07 I08 I09 I10 I11 I12 I13 I14 I15
      I16 I17 I18 I19 I20 I21 I22 J01 J02 K11 K13 K15 K21 K22 K23 K24 K25 K31 K32 K33 K34 M01 M02 M03 M04 M05 M06
      M07 M08 M09 M10 M11 M12 M13 M14 M15 M16 M17 M18 N01 N02 O01 O02 O03 O04 O05 O06 O07 O08 O09 O10 O11 O12 O13
      O14 O15 O16 O17 O18 O19 O20 O21 O22 O23 O24 O25 O26 O27 O28 O29 O30 O31 O32 O33 O34 O35 O36 O37 O38 O39 O40
      O41 O42 O43 O44 O45 O46 O47 O48 O49 O50 O51 O52 O53 O54 O55 O56 O57 O58 O59 P01 P02 P03 P04 P05 P06 P07 P08
      P09 P10 P11 P12 PC1 PC2 PC3 PC4 PC5 PC6 PC7 PC8 PC9 PCA PCB PCC PCD PCE PCF PCG PCH PCJ PCK PCL Q01 Q02 Q03
      Q05 Q06 Q11 Q13 Q15 Q16 Q17 Q21 Q22 Q23 Q24 Q25 Q26 Q27 Q28 Q29 Q30 Q31 Q32 Q33 Q34 R01 R02 R04 R21 R22 R23
      R24 R25 R26 R30 R31 R32 R33 R40 R41 R42 R43 ROR S01 S02 S03 S04 S05 S06 S07 S08 S09 S10 S11 S12 S13 S14 S15
      S16 S17 S18 S19 S20 S21 S22 S23 S24 S25 S26 S27 S28 S29 S30 S31 S32 S33 S34 S35 S36 S37 T01 T02 T03 T04 T05
      T06 T07 T08 T09 T10 T11 T12 U01 U02 U03 U04 U05 U06 U07 U08 U09 U10 U11 U12 U13 U14 V01 V02 V03 V04 Varies W01
      W02`,
  },
  PrimaryLanguage: languages,
  PrincipalLanguageOfMessage: languages,
  ProcessingID: {
    table: '0103',
    codes: 'D P T N V',
  },
  ProcessingMode: {
    table: '0207',
    codes: 'A R I T',
  },
  UniversalIDType: {
    table: '0301',
    codes: 'DNS EUI64 CLIA CLIP GUID HCD HL7 ISO L,M,N Random URI UUID x400 x500',
  },
};
