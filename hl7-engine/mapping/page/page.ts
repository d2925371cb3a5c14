// docs/hl7-mapping.md, written from the tables themselves: `node bin/cerebra.ts docs`.
import { loadDictionary } from '../../message/dictionary.ts';
import { segmentMapsTable, segmentsChapter } from './segments.ts';
import { structuresChapter } from './structures.ts';
import { conceptMapsChapter, typesChapter } from './types.ts';

/** Between these lines stands what a run over a corpus wrote; it is kept as it is. */
const kept = /<!-- comparison -->[\s\S]*<!-- \/comparison -->/;

/**
 * The page. `before`: the page as it is now, whose comparison with other converters stays. Throws CerebraError `unavailable`
 * where the HL7 dictionary cannot be loaded.
 */
export async function mappingPage(before: string): Promise<string> {
  const dictionary = await loadDictionary();
  return `<!-- Written by \`node bin/cerebra.ts docs\` from the tables in hl7-engine/mapping; do not edit. -->

# What becomes of HL7 v2 messages

After the [HL7 v2-to-FHIR guide](https://hl7.org/fhir/uv/v2mappings/). [hl7.md](hl7.md) tells how resources are found, changed and
ordered in time.

Every message has one Provenance. It targets all that the message writes; \`entity.what.identifier\` is the message's number
in the journal (system \`urn:cerebra:hl7v2-message\`), \`agent\` who sent it, who typed it in and who verified it. Resources that change over
time carry the message's time (EVN-2, else MSH-7) in \`meta.extension\` (\`urn:cerebra:hl7v2-message-time\`): an older message that arrives later
leaves them as they are, but for what nothing newer has told of a patient or a visit, and gets a warning. A resource that would say nothing but what it is and of whom is not written.

## Messages

${structuresChapter()}
A segment that stands out of order, twice, or without the one that begins its group is taken where it belongs, with a warning;
one that the structure does not have is told by a warning, too. A note (NTE) may stand behind any segment, and is about that one.

## How the tables are written

A row is \`source | target | map | condition\`; routes take rows of the same form for Z segments and a site's own fields.

\`\`\`
5,9 | name[]               | XPN
7   | birthDate            | date
8   | gender               | code AdministrativeSex
13  | telecom[]            | XTN home
30  | deceasedBoolean      | boolean | 29 empty
7   | participant[].individual & type[0] = $attender | ref Practitioner
\`\`\`

- source: fields in their order, \`5.1\` a component, \`3[1]\` a repetition, \`12..33\` several fields, \`PV1-19\` another segment of the group,
  \`"text"\` a constant
- target: an element of FHIR R4; what it has already stays. \`x[]\` one item a repetition, \`x[0]\` that item, \`extension[url]\`; after \`&\` what is
  set beside it, if it got a value
- map: a data type map, see below
- condition: \`valued\`, \`empty\`, \`null\` (\`""\`), \`= "x"\`, \`!= "x"\`, \`in ("x", "y")\`, \`length > 8\`, \`matches /x/\` of the row's source, of a field (\`29\`,
  \`PV1-2\`) or of a component of the repetition (\`.7\`), with \`and\`, \`or\`, \`not\` and parentheses

A field that is \`""\` removes the element, where the message changes a resource.

## Segments

Where a field goes, as an element of FHIR R4 and the data type map that makes it. \`x[]\`: one item a repetition; what stands in
parentheses is done by the message's own code.

${segmentsChapter(dictionary)}
### Segment maps of the guide under other names

${segmentMapsTable()}
## Data types

${typesChapter()}
## Concept maps

A code that a map does not have stays as it was sent. Where an element takes codes of its own only, the last column stands for it,
or nothing, and the message gets a warning. A route's code maps go first. Codes that the guide leaves open and that are ours are named.

${conceptMapsChapter()}
## Beside other converters

${kept.exec(before)?.[0] ?? '<!-- comparison -->\n<!-- /comparison -->'}
`;
}

/** The page with another comparison. */
export function withComparison(page: string, comparison: string): string {
  return page.replace(kept, () => `<!-- comparison -->\n${comparison}\n<!-- /comparison -->`);
}
