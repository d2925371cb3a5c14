// For the tests of profiles: a small profile with a rule of each kind, and what it finds.
import { parseMessage } from '../../message/message.ts';
import { type Finding, placeOf } from '../finding.ts';
import { compileProfile } from './profile.ts';

const field = (usage: string, type: string, rest = ''): string =>
  `<Field Name="F" Usage="${usage}" Datatype="${type}" Min="0" Max="1" ${rest}/>`;

/** MSH, a group of PID, groups of OBR and OBX. PID-3 is a CX whose check digit is conditional. */
export const profileXml = `<?xml version="1.0"?>
<ConformanceProfile ID="p"><MetaData Name="Test profile"/><Messages>
  <Message ID="m" Type="ORU" Event="R01" StructID="ORU_R01">
    <Segment Ref="MSH_T" Usage="R" Min="1" Max="1"/>
    <Group ID="g1" Name="PATIENT" Usage="R" Min="1" Max="1">
      <Segment Ref="PID_T" Usage="R" Min="1" Max="1"/><Segment Ref="NTE_T" Usage="X" Min="0" Max="0"/>
    </Group>
    <Group ID="g2" Name="ORDER" Usage="R" Min="1" Max="2">
      <Segment Ref="OBR_T" Usage="R" Min="1" Max="1"/><Segment Ref="OBX_T" Usage="C" Min="0" Max="3"/>
    </Group>
  </Message></Messages>
  <Segments>
    <Segment ID="MSH_T" Name="MSH">${'<Field Name="M" Usage="O" Datatype="var" Min="0" Max="*"/>'.repeat(12)}</Segment>
    <Segment ID="PID_T" Name="PID">${field('O', 'SI')}${field('X', 'ST')}
      <Field Name="Identifiers" Usage="R" Datatype="CX_T" Min="1" Max="2"/>${field('W', 'ST')}
      <Field Name="Names" Usage="RE" Datatype="ST" Min="2" Max="3"/>
      ${field('O', 'ST', 'MinLength="2" MaxLength="4" ConfLength="4="')}${field('O', 'DTM')}
      ${field('O', 'IS', 'Binding="sex" BindingStrength="R"')}${field('C', 'ST')}${field('O', 'ST', 'ConstantValue="fixed"')}
      ${field('O', 'NM')}${field('O', 'CE_T', 'Binding="race" BindingStrength="S" BindingLocation="1:4"')}
    </Segment>
    <Segment ID="OBR_T" Name="OBR">${field('R', 'SI')}${field('O', 'ST')}</Segment>
    <Segment ID="OBX_T" Name="OBX">
      <DynamicMapping><Mapping Position="5" Reference="2" SecondReference="3.1"><Case Value="NM" Datatype="NM"/>
        <Case Value="ST" Datatype="ST"/><Case Value="ST" SecondValue="when" Datatype="DTM"/></Mapping></DynamicMapping>
      ${field('R', 'SI')}${field('R', 'ID')}${field('R', 'CE_T')}${field('O', 'ST')}${field('O', 'var')}</Segment>
    <Segment ID="NTE_T" Name="NTE">${field('O', 'ST')}</Segment>
  </Segments>
  <Datatypes>
    ${['ST', 'SI', 'NM', 'DTM', 'IS', 'ID'].map((type) => `<Datatype ID="${type}" Name="${type}"/>`).join('')}
    <Datatype ID="var" Name="var"/>
    <Datatype ID="CE_T" Name="CE">${['O', 'O', 'O', 'O'].map((usage) => `<Component Name="C" Usage="${usage}" Datatype="ST"/>`).join('')}</Datatype>
    <Datatype ID="CX_T" Name="CX"><Component Name="ID" Usage="R" Datatype="ST"/><Component Name="Check" Usage="C" Datatype="ST"/>
      <Component Name="Scheme" Usage="O" Datatype="ST"/><Component Name="Authority" Usage="RE" Datatype="HD_T"/></Datatype>
    <Datatype ID="HD_T" Name="HD"><Component Name="Namespace" Usage="O" Datatype="IS"/>
      <Component Name="Universal" Usage="X" Datatype="ST"/></Datatype>
  </Datatypes>
</ConformanceProfile>`;

export const by = (kind: string, id: string, rules: string): string =>
  `<${kind}><ByID ID="${id}">${rules}</ByID></${kind}>`;

export const constraintsXml = (predicates: string, statements: string): string =>
  `<ConformanceContext UUID="c"><Predicates>${predicates}</Predicates><Constraints>${statements}</Constraints></ConformanceContext>`;

export const predicate = (target: string, usages: string, condition: string): string => {
  const [whenTrue, whenFalse] = usages.split('/');
  return `<Predicate Target="${target}" TrueUsage="${whenTrue}" FalseUsage="${whenFalse}"><Description>If so.</Description>
    <Condition>${condition}</Condition></Predicate>`;
};

export const statement = (assertion: string, rest = ''): string =>
  `<Constraint ID="S" ${rest}><Description>It holds.</Description><Assertion>${assertion}</Assertion></Constraint>`;

export const valueSetsXml = `<ValueSetLibrary><NoValidation><BindingIdentifier>any</BindingIdentifier></NoValidation>
  <ValueSetDefinitions><ValueSetDefinition BindingIdentifier="sex" Name="s"><ValueElement Value="F" DisplayName="f" CodeSystem="HL70001"/>
    <ValueElement Value="X" DisplayName="x" Usage="E"/></ValueSetDefinition>
  <ValueSetDefinition BindingIdentifier="race" Name="r"><ValueElement Value="1" DisplayName="1" CodeSystem="CDC"/></ValueSetDefinition>
  <ValueSetDefinition BindingIdentifier="open" Name="o" Extensibility="Open"><ValueElement Value="1" DisplayName="1"/></ValueSetDefinition>
  </ValueSetDefinitions></ValueSetLibrary>`;

export const msh = 'MSH|^~\\&|LAB|NORTH|||20260131||ORU^R01|M1|P|2.5.1';
export const usual = ['PID|1||A1|||', 'OBR|1', 'OBX|1|NM|K||4.1'];

export function told(findings: readonly Finding[]): string[] {
  return findings.map(
    ({ severity, condition, location, text }) => `${severity} ${condition} ${placeOf(location)}: ${text}`,
  );
}

export function check(lines: readonly string[], ...documents: string[]): string[] {
  const message = parseMessage(Buffer.from([msh, ...lines].map((line) => `${line}\r`).join('')));
  return told(compileProfile([profileXml, ...documents]).check(message));
}

export const pid = (fields: string): string[] => [`PID|${fields}`, 'OBR|1', 'OBX|1|NM|K||4.1'];
